"""A traced function of TensorFlow called on flat tensors, without what Python does around it for tapes and nesting.

A `tf.function` binds arguments, looks for a gradient tape, packs its outputs, and asks for all of it in Python: 0.2 ms
of the 0.35 ms that one picture took. What runs below is the same function of the same runtime, so not a bit differs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tensorflow as tf  # isort: skip


@dataclass(frozen=True, slots=True)
class DirectCall:
    """Tensors in the caller's order in, tensors in the caller's order out.

    captured: its variables, as it holds them. shapes: that it was traced for. into, out: where in the caller's order
    each of its inputs comes from, and where in its own order each of the caller's outputs is.
    """

    function: Any  # TensorFlow's AtomicFunction
    captured: tuple[Any, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    into: tuple[int, ...]
    out: tuple[int, ...]

    def __call__(self, tensors: Sequence[Any], arrays: Sequence[np.ndarray]) -> list[Any] | None:
        """None for shapes that it was not traced for: it does not look itself, and the long way has the words.

        arrays: what the tensors were made of; a tensor's own shape takes as long to get as a small model.
        """
        if not all(_fits(arrays[place].shape, shape) for place, shape in zip(self.into, self.shapes, strict=True)):
            return None
        answers = self.function.call_flat(*[tensors[place] for place in self.into], *self.captured)
        return [answers[place] for place in self.out]


def direct(concrete: Any, inputs: Sequence[str], outputs: Sequence[str]) -> DirectCall | None:
    """The short way into a concrete function; None where it has something that only the long way knows.

    inputs, outputs: the names of what goes in and comes out where the function goes by names, else empty ones: then the
    order is the function's own.
    """
    try:
        function, captured, kinds = concrete.inference_fn, tuple(concrete.captured_inputs), concrete.function_type
        given, made = tuple(kinds.flat_inputs), tuple(kinds.flat_outputs)
        plain = (
            not concrete.graph.deferred_external_captures  # values that are made anew for each call
            and all(type(tensor).__name__ == "EagerTensor" for tensor in captured)
            and all(type(kind) is tf.TensorSpec for kind in (*given, *made))
            and all(kind.shape.rank is not None for kind in given)
        )
    except AttributeError:  # another TensorFlow, whose insides have other names
        return None
    if not plain or len(given) != len(inputs) or len(made) != len(outputs):
        return None
    into, out = _places(inputs, [kind.name for kind in given]), _places([kind.name for kind in made], outputs)
    if into is None or out is None:
        return None
    return DirectCall(function, captured, tuple(tuple(kind.shape.as_list()) for kind in given), into, out)


def same(long: Callable[[], Mapping[str, np.ndarray]], short: Callable[[], Mapping[str, np.ndarray]]) -> bool:
    """Whether both ways give the same bits; not so where one of them fails, or where the model draws lots."""
    try:
        wanted, got = long(), short()
    except Exception:  # noqa: BLE001 - whatever it is, the long way tells it
        return False
    return wanted.keys() == got.keys() and all(_bits(wanted[name]) == _bits(got[name]) for name in wanted)


def _places(names: Sequence[str], order: Sequence[str]) -> tuple[int, ...] | None:
    """Where in `names` each of `order` is; as they come where there are no names, None where they do not match."""
    if not any(names) or not any(order):
        return tuple(range(len(names)))
    if len(set(names)) < len(names) or set(names) != set(order):
        return None
    return tuple(names.index(name) for name in order)


def _bits(array: np.ndarray) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes()


def _fits(have: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(have) == len(shape) and all(want in (None, size) for size, want in zip(have, shape, strict=True))
