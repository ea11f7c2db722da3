"""What an account did, as the API server's own audit log tells it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_READS = ("get", "list", "watch")


@dataclass
class Audit:
    """Writes by one user, from where the log ended when this was made or `mark` was called."""

    log: Path
    user: str
    offset: int = 0

    def __post_init__(self) -> None:
        self.mark()

    def mark(self) -> None:
        """Count from here."""
        self.offset = self.log.stat().st_size

    def events(self) -> list[dict[str, Any]]:
        """Every request since the mark."""
        with self.log.open("rb") as log:
            log.seek(self.offset)
            whole = log.read().rpartition(b"\n")[0]
        told = (json.loads(line) for line in whole.splitlines())
        return [event for event in told if event["user"].get("username") == self.user]

    def forbidden(self, *namespaces: str) -> list[str]:
        """Requests answered with 403 that concern these namespaces or the whole cluster.

        Others are left out: a write to the namespace of an earlier test, which is on its way out, is 403, too.
        """
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.events()
            if (event.get("responseStatus") or {}).get("code") == 403
            and (event.get("objectRef") or {}).get("namespace") in (None, *namespaces)
        ]

    def writes(self, namespace: str | None = None) -> list[str]:
        """Requests that changed something (or tried to): `verb path code`; the Lease and dry runs are left out."""
        found = []
        for event in self.events():
            ref = event.get("objectRef") or {}
            idle = ref.get("resource") in ("leases", "selfsubjectaccessreviews") or "dryRun=All" in event["requestURI"]
            if event["verb"] in _READS or idle or (namespace and ref.get("namespace") != namespace):
                continue
            code = (event.get("responseStatus") or {}).get("code")
            found.append(f"{event['verb']} {event['requestURI']} {code}")
        return found
