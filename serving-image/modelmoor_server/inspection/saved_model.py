"""The TensorFlow version in a saved_model.pb, read from the protobuf's wire format without TensorFlow."""

import mmap
from collections.abc import Iterator
from pathlib import Path

from modelmoor_server.inspection.types import corrupt

FILE = "saved_model.pb"
# SavedModel.meta_graphs = 2, MetaGraphDef.meta_info_def = 1, MetaInfoDef.tensorflow_version = 5
_META_GRAPHS, _META_INFO, _VERSION = 2, 1, 5


def version(path: Path) -> str | None:
    """The version of TensorFlow that wrote the file; None where it states none. Raises ModelError (CorruptArtifact)."""
    if path.stat().st_size == 0:
        raise corrupt(f"The file {FILE} is empty.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            found, graphs = None, 0
            for graph_start, graph_end in _fields(data, 0, len(data), _META_GRAPHS):
                graphs += 1
                for info_start, info_end in _fields(data, graph_start, graph_end, _META_INFO):
                    for start, end in _fields(data, info_start, info_end, _VERSION):
                        found = found or data[start:end][:64].decode()
        except (ValueError, UnicodeDecodeError):
            raise corrupt(f"The file {FILE} is no whole SavedModel.") from None
        if not graphs:
            raise corrupt(f"The file {FILE} holds no graph.")
        return found


def _fields(data: mmap.mmap, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """The places of the length-delimited fields of one number. Raises ValueError where the wire format is broken."""
    while start < end:
        key, start = _varint(data, start, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("field number 0")
        if kind == 0:
            _, start = _varint(data, start, end)
            continue
        if kind == 2:
            length, start = _varint(data, start, end)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if start + length > end:
            raise ValueError("field beyond the end")
        if kind == 2 and number == wanted:
            yield start, start + length
        start += length


def _varint(data: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if start >= end:
            break
        byte, start = data[start], start + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
    raise ValueError("broken varint")
