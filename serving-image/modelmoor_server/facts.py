"""What the init container learned about an artifact, and how it and every failure are told to the operator."""

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from modelmoor_server.errors import ModelError

log = logging.getLogger("modelmoor_server.serve")
LIMIT = 4096  # bytes of a termination message that kubelet keeps
FACTS_FILE = "facts.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a fetched artifact. size is in bytes; framework is `name version` where the artifact tells it."""

    digest: str
    size: int
    files: int
    format: str
    framework: str | None = None


def success(facts: Facts) -> bytes:
    """The termination message of a fetch that went well: one JSON object of at most 4,096 bytes."""
    return _dump({"ok": True, "phase": "Fetch", **asdict(facts)})


def failure(error: ModelError) -> bytes:
    """The termination message of a failure; message and hint are cut where they would pass the limit."""
    body = {"ok": False, "phase": error.phase, "reason": error.reason, "message": error.message, "hint": error.hint}
    dumped = _dump(body)
    if len(dumped) > LIMIT:
        # 400 characters are at most 2,400 bytes of JSON, escapes counted
        dumped = _dump(body | {"message": error.message[:400], "hint": error.hint[:200]})
    return dumped


def write(path: Path, body: bytes) -> bool:
    """Write `body` to a file, as far as there is one to write to; tells whether it was written.

    A process started by hand has no /dev/termination-log (and shall not make one): that is no failure.
    """
    flags = os.O_WRONLY | os.O_TRUNC | (0 if path.parent == Path("/dev") else os.O_CREAT)
    try:
        with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
            file.write(body)
    except OSError:
        return False
    return True


def tell(error: ModelError, termination_log: Path | None) -> None:
    """Say why the process ends: in the termination log of a pod, and in one log line."""
    if termination_log is not None:
        write(termination_log, failure(error))
    fields = {"phase": error.phase, "reason": error.reason, "message": error.message, "hint": error.hint}
    log.error("StartFailed", extra={"fields": fields})


def read(path: Path) -> Facts | None:
    """The facts of an earlier, complete fetch; None where there are none or they cannot be read."""
    try:
        body = json.loads(path.read_bytes())
        return Facts(
            digest=str(body["digest"]),
            size=int(body["size"]),
            files=int(body["files"]),
            format=str(body["format"]),
            framework=None if body.get("framework") is None else str(body["framework"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _dump(body: dict[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
