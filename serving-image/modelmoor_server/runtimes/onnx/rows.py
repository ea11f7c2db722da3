"""Synthetic rows by which two engines are compared: of every size of a call, and of values from dull to extreme."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from modelmoor_server.signature import Field, Signature

COUNTS = (1, 2, 7, 16, 64)
RANGES = (1.0, 10.0, 255.0, 1000.0)  # what numbers of tables and pictures are, each to both sides of zero
LIMITS = (1e4, 1e8, 1e16, 1e32)
UNBOUNDED = 1000  # whole numbers beyond this are drawn only where they are places in a table, which has an end
_SPECIAL = (np.nan, np.inf, -np.inf)

Arrays = dict[str, np.ndarray]
Whole = Mapping[str, tuple[int, int]]
"""Of each input of whole numbers the smallest and the largest that the original answers."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one kind. magnitude: of the largest float among them, at least 1."""

    kind: str
    inputs: Arrays
    magnitude: float = 1.0


def counts(signature: Signature) -> tuple[int, ...]:
    """Sizes of a call; the one size of a model with a fixed number of rows."""
    fixed = [field.shape[0] for field in signature.inputs if field.shape and field.shape[0] != -1]
    return (fixed[0],) if fixed else COUNTS


def usual(signature: Signature, example: Mapping[str, np.ndarray], whole: Whole) -> Iterator[Batch]:
    """Rows that any caller may send; the two engines have to agree on all of them. example: sets the variable sizes."""
    random = np.random.default_rng(0)
    sizes = counts(signature)
    for count in sizes:
        for kind, draw in (("uniform", random.random), ("normal", random.standard_normal)):
            yield Batch(kind, _rows(signature, example, count, whole, random, draw), 4.0 if kind == "normal" else 1.0)
    many = sizes[len(sizes) // 2 :][0]
    for kind, number in (("zeros", 0.0), ("ones", 1.0), ("minus ones", -1.0)):
        yield Batch(kind, _rows(signature, example, many, whole, random, lambda shape, n=number: np.full(shape, n)))
    for largest in RANGES:
        spread: Callable[..., np.ndarray] = lambda shape, m=largest: random.uniform(-m, m, shape)  # noqa: E731
        yield Batch(f"up to {largest:g}", _rows(signature, example, many, whole, random, spread), largest)
    # some of it zero: what masks and padding are made of
    sparse = _rows(signature, example, many, whole, random, random.random)
    for array in sparse.values():
        if array.ndim > 1:
            array[:, array.shape[1] // 2 :] = 0
    yield Batch("half zero", sparse)


def larger(signature: Signature, example: Mapping[str, np.ndarray], whole: Whole, limit: float) -> Batch:
    """Rows with floats up to `limit`, on both sides of zero."""
    random = np.random.default_rng(1)

    def spread(shape: tuple[int, ...]) -> np.ndarray:
        return random.uniform(-1.0, 1.0, shape) * limit

    return Batch(f"up to {limit:.0e}", _rows(signature, example, counts(signature)[-1], whole, random, spread), limit)


def special(signature: Signature, example: Mapping[str, np.ndarray], whole: Whole) -> Iterator[Batch]:
    """Rows with missing and infinite values, here and there and everywhere."""
    random = np.random.default_rng(2)
    for value in _SPECIAL:
        for share in (0.02, 0.3, 1.0):

            def strewn(shape: tuple[int, ...], value: float = value, share: float = share) -> np.ndarray:
                return np.where(random.random(shape) < share, value, random.random(shape))

            yield Batch(f"{value}", _rows(signature, example, counts(signature)[-1], whole, random, strewn))


def resized(signature: Signature, example: Mapping[str, np.ndarray]) -> Iterator[Arrays]:
    """Examples of other variable sizes than the first's; none where no size but that of rows varies."""
    if not any(size == -1 for field in signature.inputs for size in (field.shape or ())[1:]):
        return
    ways: tuple[Callable[[int, int], int], ...] = (
        lambda size, axis: size + 1,
        lambda size, axis: 2 * size + 3,
        lambda size, axis: size + axis,
    )
    for way in ways:
        yield {field.name: _resized(field, example[field.name], way) for field in signature.inputs}


def _resized(field: Field, array: np.ndarray, way: Callable[[int, int], int]) -> np.ndarray:
    stated = field.shape or ()
    shape = tuple(
        way(size, axis) if axis and want == -1 else size
        for axis, (size, want) in enumerate(zip(array.shape, stated, strict=True))
    )
    return np.ones(shape, array.dtype)


def _rows(
    signature: Signature,
    example: Mapping[str, np.ndarray],
    count: int,
    whole: Whole,
    random: np.random.Generator,
    draw: Callable[..., np.ndarray],
) -> Arrays:
    return {
        field.name: _array(example[field.name], field, count, whole.get(field.name), random, draw)
        for field in signature.inputs
    }


def _array(
    one: np.ndarray,
    field: Field,
    count: int,
    whole: tuple[int, int] | None,
    random: np.random.Generator,
    draw: Callable[..., np.ndarray],
) -> np.ndarray:
    shape = (count, *one.shape[1:]) if field.shape and field.shape[0] == -1 else one.shape
    if one.dtype.kind == "b":
        return random.random(shape) < 0.5
    if one.dtype.kind == "f":
        return draw(shape).astype(one.dtype)
    low, high = whole or (0, 1)
    drawn = random.integers(low, high, shape, endpoint=True)
    small = random.integers(max(low, 0), max(min(high, 9), 0), shape, endpoint=True)
    return np.where(random.random(shape) < 0.5, drawn, small).astype(one.dtype)
