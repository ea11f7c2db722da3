"""`modelmoor-server serve`: one process, or several that serve as one."""

import tempfile
from pathlib import Path

from modelmoor_server import facts
from modelmoor_server.alone import Alone
from modelmoor_server.errors import ModelError
from modelmoor_server.process import run
from modelmoor_server.settings import Settings


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code. A second signal ends it at once."""
    if settings.workers == 1:
        return run(settings, Alone)
    from modelmoor_server.workers.parent import lead  # nobody else needs what it brings

    with tempfile.TemporaryDirectory(prefix="modelmoor-") as scratch:
        try:
            return lead(settings, Path(scratch))
        except ModelError as error:
            facts.tell(error, settings.termination_log)
            return 1
