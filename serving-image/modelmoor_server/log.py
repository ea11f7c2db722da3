"""One log line an event: JSON in a cluster, plain text on a terminal.

A caller logs the event's CamelCase word as message and its details as `extra={"fields": {...}}`.
"""

import json
import logging
import sys
import time
from functools import partial

ROOT = "modelmoor_server"


def configure(level: int = logging.INFO, worker: int | None = None) -> None:
    """Give the server's loggers their one handler, on standard error. Calling it again changes nothing.

    worker: the number of a worker process, told in each of its lines.
    """
    logger = logging.getLogger(ROOT)
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Plain() if sys.stderr.isatty() else Json())
    if worker is not None:
        handler.addFilter(partial(_number, worker))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


def _number(worker: int, record: logging.LogRecord) -> bool:
    record.fields = {"worker": worker, **getattr(record, "fields", {})}
    return True


class Json(logging.Formatter):
    """`{"time": ..., "level": "info", "event": "FetchProgress", ...fields}`; times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        body = {"time": stamp, "level": record.levelname.lower(), "event": record.getMessage()}
        body |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            body["exception"] = record.exc_info[0].__name__  # the type alone: a library's text quotes payloads
        return json.dumps(body, ensure_ascii=False, default=str)


class Plain(logging.Formatter):
    """`12:00:00 FetchProgress percent=40 ...` for a person."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        level = "" if record.levelno <= logging.INFO else f"{record.levelname} "
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{clock} {level}{record.getMessage()} {fields}".rstrip()
