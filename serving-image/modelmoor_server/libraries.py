"""What libraries have to say goes to the log by kind and place, without their words: those may quote payloads."""

import logging
import warnings
from pathlib import Path
from typing import TextIO

log = logging.getLogger("modelmoor_server.libraries")


class _WithoutWords(logging.Handler):
    """Every other logger's record becomes one line of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        at = f"{Path(record.pathname).name}:{record.lineno}"
        fields = {"logger": record.name, "level": record.levelname.lower(), "at": at}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = record.exc_info[0].__name__
        log.log(record.levelno, "LibraryLog", extra={"fields": fields})


def keep_quiet() -> None:
    """Route warnings, and foreign log records from WARNING on. What native code writes to stderr stays as it is."""
    logging.getLogger().addHandler(_WithoutWords(logging.WARNING))
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    fields = {"category": category.__name__, "at": f"{Path(filename).name}:{lineno}"}
    log.warning("LibraryWarning", extra={"fields": fields})
