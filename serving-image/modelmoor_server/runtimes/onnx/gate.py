"""The comparison of a converted network with TensorFlow's answers: all of it agrees, or there is no fast form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from modelmoor_server.errors import RequestError
from modelmoor_server.runtimes.onnx import rows
from modelmoor_server.runtimes.onnx.model import Domain, difference
from modelmoor_server.runtimes.onnx.rows import Arrays, Batch, Whole
from modelmoor_server.signature import Signature

Ask = Callable[[Mapping[str, np.ndarray]], Arrays]
"""All outputs to these inputs. Raises RequestError where they are refused."""


class NotEqual(Exception):
    """The two engines disagree; `str(error)` is a clause that says on what."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was compared. largest: absolute difference of two numbers of usual inputs. sample: some rows and the
    original's answers to them, which two verdicts may differ in."""

    rows: int
    largest: float
    domain: Domain
    sample: Arrays = field(compare=False)
    answers: Arrays = field(compare=False)


def judge(original: Ask, fast: Ask, signature: Signature, example: Arrays, say: Callable[[str], None]) -> Verdict:
    """Ask both for every kind of rows. Raises NotEqual."""
    ends = {name: _range(original, example, name) for name in example if example[name].dtype.kind in "iu"}
    whole = {name: _drawn(example, name, pair) for name, pair in ends.items()}
    count, largest = 0, 0.0
    kept: tuple[Arrays, Arrays] | None = None
    for batch in rows.usual(signature, example, whole):
        wanted = _answer(original, batch.inputs)
        found = _compare(wanted, _answer(fast, batch.inputs), batch)
        if found is None:
            raise NotEqual(f"it answers rows of the kind {batch.kind!r} differently")
        if kept is None or (wanted is not None and batch.kind == "uniform" and len(_first(batch.inputs)) == 2):
            kept = batch.inputs, wanted or {}
            again = _answer(original, batch.inputs)
            if (
                wanted is None
                or again is None
                or any(again[name].tobytes() != wanted[name].tobytes() for name in wanted)
            ):
                raise NotEqual("the original itself does not answer the same rows equally twice, or refuses them")
        count += len(_first(batch.inputs))
        largest = max(largest, found)
    say(f"{count} rows of usual values agree, to {largest:.1e}")
    _ends(original, fast, example, ends)
    for other in rows.resized(signature, example):
        if _compare(_answer(original, other), _answer(fast, other), Batch("other sizes", other)) is None:
            raise NotEqual("it answers inputs of another size differently")
    domain = Domain(
        _limit(original, fast, signature, example, whole),
        _takes_none(original, fast, signature, example),
        {name: pair for name, pair in ends.items() if pair != _all_of(example[name])},
    )
    sample, answers = kept or ({}, {})
    return Verdict(count, largest, domain, sample, answers)


def _limit(original: Ask, fast: Ask, signature: Signature, example: Arrays, whole: Whole) -> float | None:
    """The largest magnitude of floats on which both agree, None where they do on NaN and infinity as well."""
    floats = [array.dtype for array in example.values() if array.dtype.kind == "f"]
    if not floats:
        return None
    limit = rows.RANGES[-1]
    for magnitude in rows.LIMITS:
        if any(magnitude > np.finfo(dtype).max for dtype in floats):
            break
        batch = rows.larger(signature, example, whole, magnitude)
        if _compare(_answer(original, batch.inputs), _answer(fast, batch.inputs), batch) is None:
            return limit
        limit = magnitude
    for batch in rows.special(signature, example, whole):
        if _compare(_answer(original, batch.inputs), _answer(fast, batch.inputs), batch) is None:
            return limit
    return None


def _takes_none(original: Ask, fast: Ask, signature: Signature, example: Arrays) -> bool:
    """Whether both answer a call without rows, and alike."""
    none = {
        one.name: example[one.name][:0] if one.shape and one.shape[0] == -1 else example[one.name]
        for one in signature.inputs
    }
    wanted = _answer(original, none)
    return wanted is not None and _compare(wanted, _answer(fast, none), Batch("no rows", none)) is not None


def _ends(original: Ask, fast: Ask, example: Arrays, whole: Whole) -> None:
    """The smallest and the largest whole numbers that the original takes are answered alike."""
    for name, ends in whole.items():
        for number in ends:
            asked = example | {name: np.full_like(example[name], number)}
            batch = Batch("ends", asked, float(abs(number)))
            if _compare(_answer(original, asked), _answer(fast, asked), batch) is None:
                raise NotEqual("it answers the largest or the smallest whole numbers differently")


def _range(original: Ask, example: Arrays, name: str) -> tuple[int, int]:
    """The smallest and the largest whole number that the original takes for an input; 0 it does."""

    def takes(number: int) -> bool:
        return _answer(original, example | {name: np.full_like(example[name], number)}) is not None

    def last(end: int) -> int:
        """The last number towards `end` that is taken, by doubling and then halving."""
        if end == 0 or takes(end):
            return end
        sign, good, bad = (1 if end > 0 else -1), 0, 1
        while bad < abs(end) and takes(sign * bad):
            good, bad = bad, bad * 2
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if takes(sign * middle) else (good, middle)
        return sign * good

    kind = np.iinfo(example[name].dtype)
    return last(int(kind.min)), last(int(kind.max))


def _drawn(example: Arrays, name: str, ends: tuple[int, int]) -> tuple[int, int]:
    """The ends between which numbers are drawn: near 0 where nothing ends, so that they do not hide each other."""
    kind = np.iinfo(example[name].dtype)
    low, high = ends
    return max(low, -rows.UNBOUNDED) if low == kind.min else low, min(
        high, rows.UNBOUNDED
    ) if high == kind.max else high


def _all_of(array: np.ndarray) -> tuple[int, int]:
    kind = np.iinfo(array.dtype)
    return int(kind.min), int(kind.max)


def _first(inputs: Arrays) -> np.ndarray:
    return np.atleast_1d(next(iter(inputs.values())))


def _answer(ask: Ask, inputs: Arrays) -> Arrays | None:
    """None where it is refused."""
    try:
        return ask(inputs)
    except RequestError:
        return None


def _compare(wanted: Arrays | None, got: Arrays | None, batch: Batch) -> float | None:
    """The largest difference; 0 where both refuse, None where they disagree."""
    if wanted is None or got is None:
        return 0.0 if wanted is got else None
    found = [difference(got[name], wanted[name], batch.magnitude) for name in wanted]
    return None if None in found else max((gap for gap in found if gap is not None), default=0.0)
