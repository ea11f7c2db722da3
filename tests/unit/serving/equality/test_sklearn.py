"""Every estimator of scikit-learn answers through the server what it answers in process: alone, in company, in slices.

Listed estimators are asked in shared calls and held to the tolerances of docs/decisions/0015-batching.md; all others
are called request by request and held to every bit.
"""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from modelmoor_server.optimized.verb import optimize
from modelmoor_server.runtimes import Model, Policy, load
from modelmoor_server.runtimes.base import Engine, EnginePolicy, Independence
from modelmoor_server.runtimes.flat.model import FlatModel
from modelmoor_server.runtimes.sklearn.model import SklearnModel
from unit.serving.equality import zoo
from unit.serving.equality.compare import differs, plain, received
from unit.serving.equality.core import Core

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # estimators warn of small data
SIZES = (1, 1, 2, 1, 3, 1, 5, 1)  # rows of requests that come in one turn
# no method for rows that were not there at fit, or none whose input a request can carry
UNSERVED = """
AgglomerativeClustering DBSCAN HDBSCAN KernelDensity LocalOutlierFactor MDS ClassicalMDS OPTICS SpectralBiclustering
SpectralClustering SpectralCoclustering SpectralEmbedding TSNE MultiLabelBinarizer
EmpiricalCovariance GraphicalLasso GraphicalLassoCV LedoitWolf MinCovDet NearestNeighbors OAS ShrunkCovariance
"""


class Asked:
    """One estimator behind the server, compared request by request."""

    def __init__(
        self, case: zoo.Case, folder: Path, engine: EnginePolicy = EnginePolicy.AUTO, *, flat: bool = False
    ) -> None:
        joblib.dump(case.estimator, folder / "model.joblib")
        model: Model = load(folder / "model.joblib", None, Policy(engine=engine))
        assert isinstance(model, SklearnModel)
        self.methods = model.methods
        if flat:
            optimized = folder / "optimized"
            shutil.rmtree(optimized, ignore_errors=True)
            optimize(folder / "model.joblib", optimized, lambda sentence: None)
            model = load(optimized, None, Policy(engine=engine))
            assert isinstance(model, FlatModel)
        self.case, self.model = case, model
        self.estimator = joblib.load(folder / "model.joblib")  # a file keeps numbers, not the layout of memory
        self.names = [field.name for field in model.signature.outputs]
        self.wrong: list[str] = []

    def in_process(self, begin: int, end: int, names: Sequence[str]) -> dict[str, np.ndarray] | Exception:
        rows, found, raw = self.case.rows[begin:end], {}, {}
        for name in names:
            method, index = self.methods[name]
            try:
                if method not in raw:
                    raw[method] = getattr(self.estimator, method)(rows)
            except Exception as error:  # noqa: BLE001 - what it raises in process is refused by the server
                return error
            found[name] = plain(raw[method] if index is None else raw[method][index])
        return found

    def judge(self, what: str, span: tuple[int, int], names: Sequence[str], answer: Any, *, close: bool) -> None:
        """Compare one answer with the in-process one, row by row where rounding may differ, else as a whole."""
        status, document = answer
        wanted = self.in_process(*span, names)
        if isinstance(wanted, Exception) or status != 200:
            if not isinstance(wanted, Exception) or status not in (400, 500):
                self.wrong.append(f"{what}: {status} {document}, in process {type(wanted).__name__}")
            return
        outputs = {output["name"]: received(output) for output in document["outputs"]}
        if list(outputs) != list(names):
            self.wrong.append(f"{what}: outputs {list(outputs)}")
            return
        for name in names:
            if (difference := differs(outputs[name], wanted[name], close=close)) is not None:
                self.wrong.append(f"{what}, {name}: {difference}")


def ways(case: zoo.Case, folder: Path) -> Iterator[Asked]:
    """The case behind each engine that it has: with the server's own code, where there is some, and without it; and
    from an optimized artifact."""
    asked = Asked(case, folder)
    yield asked
    if asked.model.engine is Engine.NATIVE:
        yield Asked(case, folder, EnginePolicy.LIBRARY)
        yield Asked(case, folder, flat=True)


def spans(sizes: Sequence[int], begin: int = 0) -> list[tuple[int, int]]:
    """Row ranges of consecutive requests."""
    ends = np.cumsum(sizes) + begin
    return [(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]


@pytest.mark.parametrize("name", zoo.names())
async def test_equal(name: str, tmp_path: Path) -> None:
    """Alone, several at once and in slices, with all outputs and by default, each answer is the in-process one."""
    count = 0
    for case in zoo.cases(name):
        count += 1
        for asked in ways(case, tmp_path):
            await _compare(case, asked)
    assert (count == 0) == (name in UNSERVED.split())


async def _compare(case: zoo.Case, asked: Asked) -> None:
    close = asked.model.independence is Independence.CLOSE
    core = Core(asked.model)
    batches = core.inference.batches
    (answer,) = await core.ask([case.body(0, 20, asked.names)])
    asked.judge("20 rows alone", (0, 20), asked.names, answer, close=False)
    for names in (asked.names, list(asked.model.default_outputs)):
        before, ranges = core.calls, spans(SIZES)
        answers = await core.ask([case.body(*span, names) for span in ranges])
        if batches and all(status == 200 for status, _ in answers):
            assert core.calls == before + 1, f"{case.name} was not batched"
        for span, answer in zip(ranges, answers, strict=True):
            asked.judge(f"rows {span} in company", span, names, answer, close=close)
    if batches:
        sliced = Core(asked.model, cheap=False, max_size=7)
        (answer,) = await sliced.ask([case.body(0, 20, asked.names)])
        asked.judge("20 rows in slices", (0, 20), asked.names, answer, close=close)
    assert not asked.wrong, f"{case.name} ({asked.model.independence}): {asked.wrong}"


ODD = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 1e300}


@pytest.mark.parametrize("name", zoo.names())
async def test_odd_values(name: str, tmp_path: Path) -> None:
    """Missing, infinite and huge values are answered or refused as in process, and no neighbour of the same call
    notices. A refusal of missing and infinite values is a 400."""
    for case in zoo.cases(name):
        rows = case.rows
        if not isinstance(rows, np.ndarray) or rows.dtype.kind != "f" or rows.ndim != 2:
            continue
        odd = np.array(rows[:8])
        for place, value in enumerate(ODD.values()):
            odd[2 * place, place % odd.shape[1]] = value
        changed = zoo.Case(case.name, case.estimator, odd)
        for asked in ways(changed, tmp_path):
            await _compare_odd(changed, asked)
        if "dense" in case.name:
            break  # once an estimator; holes and sparse fits were compared above


async def _compare_odd(changed: zoo.Case, asked: Asked) -> None:
    odd = changed.rows
    close = asked.model.independence is Independence.CLOSE
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        core = Core(asked.model)
        names, ranges = list(asked.model.default_outputs), spans((1,) * len(odd))
        answers = await core.ask([changed.body(*span, names) for span in ranges])
        for span, (status, document) in zip(ranges, answers, strict=True):
            asked.judge(f"row {span[0]}", span, names, (status, document), close=close)
            finite = np.isfinite(odd[span[0] : span[1]]).all()
            if status not in (200, 400) and not finite:
                asked.wrong.append(f"row {span[0]}: {status} for a value that is not finite")
    assert not asked.wrong, f"{changed.name} ({asked.model.independence}): {asked.wrong}"


def centred(x: Any) -> Any:
    """A step that looks at every row of the call."""
    return x - x.mean(axis=0)


async def test_this_suite_sees_a_wrong_word(tmp_path: Path) -> None:
    """A step that looks at other rows is not batched; told that rows are independent, it is, and that is seen here."""
    estimator = make_pipeline(FunctionTransformer(centred), LogisticRegression()).fit(zoo.MATRIX, zoo.CLASSES)
    case = zoo.Case("centred", estimator, zoo.MATRIX)
    for told, seen in ((False, False), (True, True)):
        asked = Asked(case, tmp_path)
        ranges = spans(SIZES)
        answers = await Core(asked.model, rows_independent=told).ask([case.body(*s, asked.names) for s in ranges])
        for span, answer in zip(ranges, answers, strict=True):
            asked.judge(f"rows {span}", span, asked.names, answer, close=True)
        assert bool(asked.wrong) == seen
