"""The write fence: no write leaves this process unless it surely leads.

A process that was frozen (SIGSTOP, a paused virtual machine) wakes with its callbacks ready and could write before the
elector looks at the clock. So the check stands where the request is sent, in the same tick of the loop
(research/operator.md 0b.9).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from modelmoor_operator.errors import Fenced

RENEW_DEADLINE = 10.0
"""Seconds after the last renewal in which a write may still be sent: five less than the Lease lives."""


def boot_time() -> float:
    """Seconds since boot, counted while the machine is suspended, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Fence:
    """Opened and kept open by the elector, asked by every write."""

    clock: Callable[[], float] = boot_time
    open_until: float = field(default=float("-inf"))

    def renewed(self, at: float) -> None:
        """The Lease was renewed by a request that was sent at `at` (seconds of `clock`)."""
        self.open_until = at + RENEW_DEADLINE

    def close(self) -> None:
        self.open_until = float("-inf")

    def check(self) -> None:
        """Raise `Fenced` where this replica may no longer lead."""
        if self.clock() > self.open_until:
            raise Fenced("this replica does not hold the Lease; nothing was written")
