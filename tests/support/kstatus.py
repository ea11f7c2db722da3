"""How tools that wait (Flux, Helm 4, kpt) see an object: kstatus itself says it."""

import json
import subprocess
from typing import Any

from support.machine import program


def kstatus(*objects: dict[str, Any]) -> list[str]:
    """One word for each object: Current, InProgress, Failed, Terminating, NotFound or Unknown."""
    ran = subprocess.run(
        [program("kstatus")], input=json.dumps(objects), capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()
