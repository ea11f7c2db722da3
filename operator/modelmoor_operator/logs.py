"""Logs: one JSON object a line in a cluster, plain text on a terminal."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from modelmoor_operator.api import times

_PLAIN = logging.LogRecord("", 0, "", 0, "", None, None).__dict__.keys() | {"message", "asctime", "taskName"}

_carried: ContextVar[Mapping[str, Any]] = ContextVar("carried", default={})  # noqa: B039 - it is never changed in place


@contextmanager
def carrying(fields: Mapping[str, Any]) -> Iterator[None]:
    """Every line that this task logs while the block runs carries these fields."""
    token = _carried.set({**_carried.get(), **fields})
    try:
        yield
    finally:
        _carried.reset(token)


def carry(**fields: Any) -> None:
    """Further fields for the lines of the block that `carrying` opened."""
    _carried.set({**_carried.get(), **fields})


class JsonFormatter(logging.Formatter):
    """A record and its `extra` fields as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": times.micro(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_carried.get(),
            **{name: value for name, value in record.__dict__.items() if name not in _PLAIN},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class PlainFormatter(logging.Formatter):
    """The same for a person."""

    def format(self, record: logging.LogRecord) -> str:
        own = {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
        told = " ".join(f"{name}={value}" for name, value in {**_carried.get(), **own}.items())
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} {record.getMessage()} {told}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(level: str) -> None:
    """Send every log line of the process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
