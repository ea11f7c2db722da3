"""The termination message and facts.json."""

import json
from pathlib import Path

from modelmoor_server import facts
from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.facts import Facts

FACTS = Facts("sha256:" + "0" * 64, 123, 1, "keras", "keras 3.15.1")


def test_success() -> None:
    """A fetch that went well is one JSON object with the words of the interface."""
    assert json.loads(facts.success(FACTS)) == {
        "ok": True,
        "phase": "Fetch",
        "digest": FACTS.digest,
        "size": 123,
        "files": 1,
        "format": "keras",
        "framework": "keras 3.15.1",
    }


def test_failure_fits_the_limit() -> None:
    """The longest message, in the longest letters, stays JSON of at most 4,096 bytes."""
    for text in ("x" * 9000, "\N{ANCHOR}" * 9000, '"\x01' * 9000, "\N{ROCKET}" * 9000):
        body = facts.failure(ModelError(Phase.LOAD, Reason.LOAD_FAILED, text, text))

        assert len(body) <= 4096
        assert json.loads(body)["reason"] == "LoadFailed"


def test_short_failure_is_whole() -> None:
    """A message of ordinary length is not cut."""
    body = json.loads(facts.failure(ModelError(Phase.FETCH, Reason.TOO_LARGE, "m" * 1500, "h")))

    assert body == {"ok": False, "phase": "Fetch", "reason": "TooLarge", "message": "m" * 1500, "hint": "h"}


def test_write(tmp_path: Path) -> None:
    """A message is written whole over an older one; where there is no place for it, that is told and no failure."""
    path = tmp_path / "log"
    path.write_text("something longer than the message")

    assert facts.write(path, b"{}")
    assert path.read_bytes() == b"{}"
    assert not facts.write(tmp_path / "none" / "log", b"{}")
    assert not facts.write(Path("/dev/no-termination-log"), b"{}")


def test_read(tmp_path: Path) -> None:
    """Facts come back as they were; anything else is no facts."""
    (tmp_path / "facts.json").write_bytes(facts.success(FACTS))

    assert facts.read(tmp_path / "facts.json") == FACTS
    for text in ("", "[]", "null", "{}", '{"digest": 1'):
        (tmp_path / "facts.json").write_text(text)
        assert facts.read(tmp_path / "facts.json") is None
