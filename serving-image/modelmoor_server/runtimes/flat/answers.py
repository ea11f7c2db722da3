"""Functions behind the checks that keep for scikit-learn every row that is not surely theirs."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelmoor_server.errors import cause_name
from modelmoor_server.runtimes.flat.functions import Method, Unfit, is_finite

log = logging.getLogger("modelmoor_server.sklearn")


@dataclass(frozen=True)
class Shortcuts:
    """Methods of an estimator, proven on probes."""

    methods: Mapping[str, Method]

    def answers(self, x: np.ndarray, methods: Sequence[str]) -> dict[str, np.ndarray] | None:
        """The answer of each method as an array; None where scikit-learn has to be asked.

        x: rows as the signature's one input has them.
        """
        if x.dtype != np.float64 or x.ndim != 2 or not x.flags.c_contiguous or not len(x) or not is_finite(x):
            return None
        found = {}
        try:
            for name in methods:
                found[name] = presented(self.methods[name](x))
        except (KeyError, Unfit):
            return None
        except Exception as error:  # noqa: BLE001 - a fault of ours is no reason to refuse what scikit-learn can answer
            log.error("ShortcutFailed", extra={"fields": {"methods": list(methods), "exception": cause_name(error)}})
            return None
        return found


def presented(array: np.ndarray) -> np.ndarray:
    """An answer in the dtypes that the protocol knows: text as object arrays of str."""
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype == object:
        return _typed(array)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    # dates and complex numbers have no datatype in the protocol: they go out as text
    return array.astype(str).astype(object) if array.dtype.kind in "mMc" else array


def _typed(array: np.ndarray) -> np.ndarray:
    """Class labels kept as objects: one kind becomes its dtype, a mixture becomes text."""
    types = {type(value) for value in array.ravel().tolist()}
    if types <= {str}:
        return array
    for kinds, dtype in (({bool, np.bool_}, np.bool_), ({int}, np.int64), ({int, float}, np.float64)):
        if types <= kinds:
            return array.astype(dtype)
    return np.array([str(value) for value in array.ravel().tolist()], dtype=object).reshape(array.shape)
