"""joblib and pickle files: whether bytes are one, and the scikit-learn version in them, without unpickling.

scikit-learn writes `_sklearn_version` into the state of every estimator. joblib lays raw arrays between the opcodes,
so the opcodes cannot be walked; the key and the text that follows it are found as bytes instead.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from modelmoor_server.inspection.types import corrupt

CHUNK = 1 << 20
_OVERLAP = 128
# the opcodes of a text in protocols 0, 1-3 and 4-5, memo opcodes between key and value
_MEMO = rb"(?:\x94|q.|r....|p\d+\n)?"
_VERSION = re.compile(
    rb"(?:\x8c\x10|X\x10\x00\x00\x00|V|U\x10)_sklearn_version\n?"
    + _MEMO
    + rb"(?:\x8c.|X.\x00\x00\x00|V|U.)([0-9]+(?:\.[0-9]+)+(?:(?:a|b|rc|\.dev|\.post)[0-9]+)?)",
    re.DOTALL,
)
_OPENERS: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"\x5d\x00\x00", lzma.open),
)
_LZ4 = b"\x04\x22\x4d\x18"


def begins_like_one(path: Path) -> bool:
    """Whether the file begins as a pickle does, behind any compressor that joblib knows."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_LZ4):
        return True
    if _compressed(head):
        try:
            with closing(_chunks(path)) as chunks:
                head = next(chunks, b"")
        except _BROKEN:
            # only a compressor's magic and rubbish behind it, or a file cut off in its first bytes
            return path.suffix.lower() in (".joblib", ".pkl", ".pickle", ".gz", ".z", ".bz2", ".xz", ".lzma")
    return _is_pickle(head)


def sklearn_version(path: Path) -> str | None:
    """The version of scikit-learn that wrote the file; None where there is none in it.

    Reads the file once, a mebibyte at a time, up to the first find. Raises ModelError (CorruptArtifact) where the
    compressed bytes are damaged, or a plain pickle does not end as pickles do.
    """
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(-1, os.SEEK_END)
        if not _compressed(head) and not head.startswith(_LZ4) and file.read(1) != b".":
            raise corrupt(f"The file {path.name} is cut off: a pickle ends with its stop code.")
    tail = b""
    try:
        with closing(_chunks(path)) as chunks:
            for chunk in chunks:
                if match := _VERSION.search(tail + chunk):
                    return match.group(1).decode()
                tail = (tail + chunk)[-_OVERLAP:]
    except _BROKEN:
        raise corrupt(f"The compressed file {path.name} is damaged or cut off.") from None
    return None


_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


def _compressed(head: bytes) -> bool:
    return _is_zlib(head) or any(head.startswith(magic) for magic, _ in _OPENERS)


def _is_zlib(head: bytes) -> bool:
    # RFC 1950: method 8, and the first two bytes are a multiple of 31
    return len(head) > 2 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0


def _chunks(path: Path) -> Generator[bytes, None, None]:
    """The bytes of the file behind its compressor; an lz4 file gives nothing, its library is in no image."""
    with path.open("rb") as file:
        if file.read(4) == _LZ4:
            return
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def is_plain(path: Path) -> bool:
    """Whether the file is no compressed one."""
    with path.open("rb") as file:
        head = file.read(16)
    return not _compressed(head) and not head.startswith(_LZ4)


def opened(path: Path) -> Any:
    """The file behind its compressor, to read as bytes; a compressor that no image holds raises ValueError."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_LZ4):
        raise ValueError("lz4")
    for magic, opener in _OPENERS:
        if head.startswith(magic):
            return opener(path)
    return path.open("rb") if head[:1] == b"\x80" or not _is_zlib(head) else io.BufferedReader(Inflated(path))


class Inflated(io.RawIOBase):
    """A zlib stream as a file to read; the standard library has one for gzip alone."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._inflater = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._inflater.eof:
            piece = self._inflater.unconsumed_tail or self._file.read(1 << 16)
            if not piece:
                raise EOFError
            if data := self._inflater.decompress(piece, len(buffer)):
                buffer[: len(data)] = data
                return len(data)
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def _is_pickle(head: bytes) -> bool:
    if head[:1] == b"\x80":
        return len(head) > 1 and 2 <= head[1] <= 5
    # protocols 0 and 1 have no mark: an object of a class begins with a global or with a mark and a global
    return re.match(rb"\(?(?:c[\w.]+\n[\w.]+\n|i[\w.]+\n[\w.]+\n|[(\]}]\S?p0\n)", head) is not None
