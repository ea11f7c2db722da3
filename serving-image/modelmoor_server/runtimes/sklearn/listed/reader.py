"""The opcodes of a pickle, read so that nothing but our own builders is ever called.

Built on the pure Python unpickler of the standard library (joblib's own reader is, too). Rules: names are exact pairs,
never walked by dots; classes are made empty (NEWOBJ without arguments) and get a plain dict as state; functions and
types are values that nothing here calls; persistent ids, extension codes, buffers outside and old ways to call a class
are refused.
"""

import copy
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from modelmoor_server.runtimes.sklearn.listed import arrays, names
from modelmoor_server.runtimes.sklearn.listed.stream import NotListedError, Stream

MAX_DEPTH = 8

__all__ = ["NotListedError", "Reader"]


def _refuse(what: str) -> Callable[["Reader"], None]:
    def refuse(reader: "Reader") -> None:
        raise NotListedError(f"it uses {what}, which no saved model needs")

    return refuse


class Reader(pickle._Unpickler):
    """Reads one pickle; arrays of objects inside a joblib file are pickles of their own, read by another Reader."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = copy.copy(pickle._Unpickler.dispatch)
    stack: list[Any]  # these three are the standard reader's own; its types do not tell
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def __init__(self, stream: Stream, depth: int = 0) -> None:
        super().__init__(stream)
        self._stream, self._depth = stream, depth
        self._owned: dict[int, Any] = {}  # objects of listed classes made by this pickle; nothing else gets state
        if depth > MAX_DEPTH:
            raise NotListedError("it nests pickles too deeply")

    def find_class(self, module: str, name: str) -> Any:
        return names.resolve(module, name)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        builder = self.stack[-1]
        if not isinstance(builder, names.Builder) or type(arguments) is not tuple:
            raise NotListedError("it calls a name that may only be named")
        made = builder.make(*arguments)
        self._owned[id(made)] = made
        self.stack[-1] = made

    def load_newobj(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], arguments, {})

    def load_newobj_ex(self) -> None:
        named, arguments = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], arguments, named)

    def _new(self, kind: Any, arguments: Any, named: Any) -> Any:
        if not isinstance(kind, names.Class) or arguments != () or named != {}:
            raise NotListedError("it makes an object in a way that is not on the list")
        made = kind.blank()
        self._owned[id(made)] = made
        return made

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if id(target) not in self._owned:
            raise NotListedError("it changes an object that it did not make")
        if isinstance(target, arrays.JoblibArray):
            array = arrays.read_joblib(state, self._stream)
            self.stack[-1] = Reader(self._stream, self._depth + 1).load() if array is None else array
        elif isinstance(target, np.dtype):
            arrays.set_dtype(target, state)
        elif type(target) is np.ndarray:
            arrays.set_array(target, state)
        elif names.is_inert(target):
            pass  # a random generator: predictions need none, and its state is not looked at
        else:
            names.set_state(target, state)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))  # the standard one allocates what is stated before it reads

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    for _code, _what in (
        (pickle.INST, "INST"),
        (pickle.OBJ, "OBJ"),
        (pickle.PERSID, "persistent ids"),
        (pickle.BINPERSID, "persistent ids"),
        (pickle.EXT1, "extension codes"),
        (pickle.EXT2, "extension codes"),
        (pickle.EXT4, "extension codes"),
        (pickle.LONG4, "numbers of any length"),
        (pickle.NEXT_BUFFER, "buffers outside"),
        (pickle.READONLY_BUFFER, "buffers outside"),
    ):
        dispatch[_code[0]] = _refuse(_what)
