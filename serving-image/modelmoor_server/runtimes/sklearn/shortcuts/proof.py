"""Which shortcuts an estimator gets: those of its type, if they answer probes exactly as it does itself."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline

from modelmoor_server.errors import cause_name
from modelmoor_server.runtimes.sklearn.independence import COMPARED, plain
from modelmoor_server.runtimes.sklearn.outputs import dense
from modelmoor_server.runtimes.sklearn.shortcuts import Method, Unfit, linear, scaling, trees
from modelmoor_server.runtimes.versions import minor

log = logging.getLogger("modelmoor_server.sklearn")
ROWS = (1, 2, 3, 8, 64)  # of the probes: BLAS chooses its code by the number of rows
SCALES = (0.01, 100.0)  # of three more


@dataclass(frozen=True)
class Shortcuts:
    """Methods of an estimator, proven on probes."""

    methods: Mapping[str, Method]

    def answers(self, x: np.ndarray, methods: Sequence[str]) -> dict[str, np.ndarray] | None:
        """The answer of each method as an array; None where scikit-learn has to be asked.

        x: rows as the signature's one input has them.
        """
        if x.dtype != np.float64 or x.ndim != 2 or not x.flags.c_contiguous or not len(x) or not _finite(x):
            return None
        found = {}
        try:
            for name in methods:
                found[name] = dense(self.methods[name](x))
        except (KeyError, Unfit):
            return None
        except Exception as error:  # noqa: BLE001 - a fault of ours is no reason to refuse what scikit-learn can answer
            log.error("ShortcutFailed", extra={"fields": {"methods": list(methods), "exception": cause_name(error)}})
            return None
        return found


def shortcuts_of(estimator: Any, width: int) -> Shortcuts | None:
    """What was proven for a fitted estimator of `width` features; None where that is nothing."""
    candidates = _candidates(estimator) if minor(sklearn.__version__) in COMPARED else None
    if not candidates:
        return None
    proven = {name: method for name, method in candidates.items() if _equal(estimator, name, method, width)}
    for name in candidates.keys() - proven.keys():
        fields = {"estimator": type(estimator).__name__, "method": name}
        log.warning("ShortcutUnequal", extra={"fields": fields})
    return Shortcuts(proven) if proven else None


def _candidates(estimator: Any) -> dict[str, Method] | None:
    if type(estimator) is not Pipeline:
        return _of(estimator)
    if not plain(estimator):
        return None
    scalings: list[scaling.Step] = []
    for _, step in estimator.steps[:-1]:
        more = scaling.steps(step)
        if more is None:
            return None
        scalings += more
    found = _of(estimator.steps[-1][1])
    return found and {name: scaling.behind(scalings, _checked(method)) for name, method in found.items()}


def _of(estimator: Any) -> dict[str, Method] | None:
    kinds: tuple[Callable[[Any], dict[str, Method] | None], ...] = (linear.methods, trees.methods)
    if not plain(estimator):
        return None
    return next((found for of in kinds if (found := of(estimator)) is not None), None)


def _checked(method: Method) -> Method:
    """Scaling can make an infinite number of a finite one, which the last step would refuse."""

    def checked(x: np.ndarray) -> np.ndarray:
        if not _finite(x):
            raise Unfit
        return method(x)

    return checked


def _equal(estimator: Any, name: str, method: Method, width: int) -> bool:
    """Whether a shortcut gives the estimator's own bits on every probe."""
    own = getattr(estimator, name, None)
    if own is None:
        return False
    for x in _probes(width):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = dense(own(x))
            got = dense(method(x))
        except Exception:  # noqa: BLE001 - an estimator raises whatever it likes, and then it is no case for a shortcut
            return False
        if got.dtype != wanted.dtype or got.shape != wanted.shape or not _same_bits(got, wanted):
            return False
    return True


def _probes(width: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    for rows in ROWS:
        yield random.normal(size=(rows, width))
    for scale in SCALES:
        yield random.normal(size=(3, width)) * scale


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind == "O":
        return bool(np.array_equal(one, other))
    return one.tobytes() == other.tobytes()


def _finite(x: np.ndarray) -> bool:
    # The sum is infinite or no number where an element is; where finite ones overflow it, scikit-learn answers.
    return bool(np.isfinite(x.sum()))
