"""Errors that say what happens next: `Waiting` needs time, `Stalled` needs a person.

OperatorError
├── Waiting       the pass ends, the condition tells why, and the key comes back after `delay` seconds
├── Stalled       the pass ends, the condition tells the person; the next change brings the key back
├── Gone          the ModelDeployment is gone or going: the pass ends without a word
├── Fenced        this replica may no longer be the leader: nothing was written
├── Unreachable   the API server did not answer: the key comes back with back-off
└── Refused       the API server answered no (`status`, `reason`, `message`)
    ├── Conflict  409: somebody was quicker; read again
    └── Invalid   422: the object as we wrote it is not accepted
"""

from modelmoor_operator.api.reasons import Reason


class OperatorError(Exception):
    """The base of all errors that the operator raises on purpose."""


class Waiting(OperatorError):
    """What is wanted cannot be done yet; time mends it."""

    def __init__(self, reason: Reason, message: str, *, delay: float) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.delay = delay


class Stalled(OperatorError):
    """What is wanted cannot be done until a person changes something; `hint` says what."""

    def __init__(self, reason: Reason, message: str, *, hint: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.hint = hint


class Gone(OperatorError):
    """The ModelDeployment was deleted, or is being deleted, and the cache had not heard of it: nothing is written."""


class Fenced(OperatorError):
    """The Lease was not renewed in time, so another replica may lead by now: the write was not sent."""


class Unreachable(OperatorError):
    """No answer came; whether a write took effect is not known, so the next pass reads again."""


class Refused(OperatorError):
    """The API server said no. `retry_after` is in seconds, where it named them."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class Conflict(Refused):
    """Somebody else wrote in between, or the object exists already."""


class Invalid(Refused):
    """The object breaks a rule of its schema or its kind."""
