"""The maker for scikit-learn: the estimator in arrays, read back from the disk, and compared with it bit for bit."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import sklearn

from modelmoor_server.errors import ModelError
from modelmoor_server.inspection import Inspection
from modelmoor_server.optimized.manifest import Made, Unusable
from modelmoor_server.optimized.verb import Say, refused
from modelmoor_server.runtimes import sklearn as runtime
from modelmoor_server.runtimes.base import Engine, Policy
from modelmoor_server.runtimes.flat import store
from modelmoor_server.runtimes.flat.description import Described, Linear
from modelmoor_server.runtimes.flat.functions import Method, Unfit, methods_of
from modelmoor_server.runtimes.sklearn.model import SklearnModel
from modelmoor_server.runtimes.sklearn.outputs import dense
from modelmoor_server.runtimes.sklearn.shortcuts.proof import describe, probes, same_bits

ROWS = 4096  # of each kind that is asked beside the estimator
CALLS = (1, 2, 3, 8, 64, 1000)  # rows of a call: BLAS, and the kernel, go other ways by their number


def make(found: Inspection, policy: Policy, into: Path, say: Say) -> Made:
    """Write the arrays of a joblib or pickle file into `into`. Raises ModelError where there can be none, or no equal
    ones."""
    say("Loading by scikit-learn")
    model = runtime.load(found, policy)
    kind = type(model.estimator).__name__
    described = describe(model.estimator) if model.engine is Engine.NATIVE else None
    if described is None or model.shortcuts is None or not set(model.default_outputs) <= model.shortcuts.methods.keys():
        raise refused(
            f"There is no fast form of this {kind}.",
            "Linear models, trees, forests and gradient boosting have one; serve this model as it is.",
        )
    try:
        words = store.write(described, into)
        methods = methods_of(store.read(words, into))
    except (store.NotStorableError, Unusable, ValueError) as error:
        why = str(error) if isinstance(error, store.NotStorableError) else "its arrays do not come back from the disk"
        raise refused(f"This {kind} has no fast form: {why}.", "Serve it as it is.") from None
    proven = {name: method for name, method in methods.items() if name in model.shortcuts.methods}
    rows = _compare(model, described, proven, kind, say)
    if lacking := [name for name in model.methods if name not in proven]:
        say(f"For {', '.join(lacking)} the server will load the original by scikit-learn when a request asks for it")
    return Made(
        framework=model.framework,
        engine=Engine.NATIVE,
        made_with={"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        signature=model.signature,
        default_outputs=model.default_outputs,
        independence=model.independence,
        checked={"rows": rows, "methods": len(proven)},
        model=words,
    )


def _compare(model: SklearnModel, described: Described, methods: dict[str, Method], kind: str, say: Say) -> int:
    """How many rows were answered alike by every method. Raises ModelError at the first bit of difference."""
    count = 0
    say(f"Comparing {', '.join(methods)} with scikit-learn, bit for bit")
    for table in _tables(described, model.signature.inputs[0].shape):
        for begin, end in _calls(len(table)):
            part = np.ascontiguousarray(table[begin:end])
            for name, method in methods.items():
                if not _equal(model, name, method, part):
                    raise _unequal(kind, name)
        count += len(table)
    return count


def _equal(model: SklearnModel, name: str, method: Method, x: np.ndarray) -> bool:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            got = dense(method(x))
        except Unfit:
            return True  # such rows go to scikit-learn
        try:
            wanted = dense(getattr(model.estimator, name)(x))
        except Exception:  # noqa: BLE001 - refused by the estimator, and answered by the arrays
            return False
    return same_bits(got, wanted)


def _unequal(kind: str, name: str) -> ModelError:
    return refused(
        f"The arrays of this {kind} answer {name} otherwise than scikit-learn by a bit or more, so they are not kept.",
        "Serve it as it is, and please report this.",
    )


def _calls(rows: int) -> Iterator[tuple[int, int]]:
    """Spans of many lengths, until all rows were in one."""
    begin, number = 0, 0
    while begin < rows:
        end = min(begin + CALLS[number % len(CALLS)], rows)
        yield begin, end
        begin, number = end, number + 1


def _tables(described: Described, shape: tuple[int, ...] | None) -> Iterator[np.ndarray]:
    """Rows to compare by: the load's own probes, random ones of many magnitudes, extremes, and for trees each
    threshold with the numbers beside it, in both precisions."""
    width = (shape or (-1, 1))[1]
    random = np.random.default_rng(22)
    yield from probes(width)
    yield random.normal(size=(ROWS, width)) * 10.0 ** random.integers(-4, 5, size=(ROWS, width))
    yield random.choice([0.0, -0.0, 1.0, -1.0, 5e-324, 1e-300, 3.4e38, 1e150, -1e307], size=(256, width))
    if not isinstance(described.scores, Linear):
        yield _beside_thresholds(described, width, random)


def _beside_thresholds(described: Described, width: int, random: np.random.Generator) -> np.ndarray:
    assert not isinstance(described.scores, Linear)
    found: list[list[np.ndarray]] = [[] for _ in range(width)]
    for left, _, feature, threshold, _ in described.scores.trees:
        inner = left != -1
        for column in np.unique(feature[inner]).tolist():
            found[column].append(np.unique(threshold[inner & (feature == column)]))
    columns = []
    for values in found:
        at = np.unique(np.concatenate(values)) if values else np.zeros(1)
        at = at[np.isfinite(at)]
        if len(at) > ROWS:
            at = random.choice(at, ROWS, replace=False)
        single = at.astype(np.float32)
        around = [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]
        around += [np.nextafter(single, np.float32(way)).astype(np.float64) for way in (np.inf, -np.inf)]
        columns.append(np.concatenate([*around, [0.0]]))
    rows = max(map(len, columns))
    table = np.column_stack([random.permutation(np.resize(column, rows)) for column in columns])
    table = table[np.isfinite(table.astype(np.float32)).all(axis=1)]
    for name, operand in reversed(described.scalings):  # what comes out of the scaling is then about the threshold
        table = np.asarray(_INVERSE[name](table, operand))
    return np.asarray(table[np.isfinite(table).all(axis=1)])


_INVERSE = {"subtract": np.add, "add": np.subtract, "multiply": np.divide, "divide": np.multiply}
