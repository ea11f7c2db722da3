"""Every failure of the server has one place in this tree, and each says what happens next.

    ServerError
    ├── ModelError        the model cannot be served: phase, reason, message, hint; the process or the model stops here
    └── RequestError      one request cannot be answered; the model goes on
        ├── InvalidRequest    the caller must change the request (400)
        ├── NotAllowed        the server was started without the switch for it (403)
        ├── TooLarge          a part of the request is beyond its limit (413)
        ├── UnknownModel      no model of that name in this process (404)
        ├── NotLoaded         a load that was asked for failed, and would fail again (400)
        ├── ModelNotReady     the model is loading or has failed; the caller may come back (503)
        ├── Overloaded        too much waits already; the caller may come back in a moment (503)
        ├── TimedOut          the answer was not there within the request timeout (504)
        ├── CallerLeft        the caller hung up while the request was in work; nobody reads the answer
        └── PredictFailed     the model's own code raised on this input (500)

No message holds the text of a library's exception: those quote payloads, paths with secrets and URIs with queries.
`cause_name` gives the type's name, and that alone may be shown.
"""

from collections.abc import Sequence
from enum import StrEnum


class Phase(StrEnum):
    """Where on its way a model failed; the words of `status.failure.phase`."""

    RESOLVE = "Resolve"
    FETCH = "Fetch"
    VERIFY = "Verify"
    LOAD = "Load"
    WARMUP = "Warmup"


class Reason(StrEnum):
    """Why a model cannot be served: the same word in termination message, condition, event, log and metric."""

    UNKNOWN_SCHEME = "UnknownScheme"
    MODEL_NOT_FOUND = "ModelNotFound"
    EMPTY_ARTIFACT = "EmptyArtifact"
    ACCESS_DENIED = "AccessDenied"
    STORE_UNAVAILABLE = "StoreUnavailable"
    DIGEST_MISMATCH = "DigestMismatch"
    TOO_LARGE = "TooLarge"
    UNKNOWN_FORMAT = "UnknownFormat"
    CORRUPT_ARTIFACT = "CorruptArtifact"
    VERSION_MISMATCH = "VersionMismatch"
    UNSAFE_ARTIFACT = "UnsafeArtifact"
    LOAD_FAILED = "LoadFailed"
    WARMUP_FAILED = "WarmupFailed"
    INVALID_SETTINGS = "InvalidSettings"


class ServerError(Exception):
    """The root: anything the server raises on purpose."""


class ModelError(ServerError):
    """The model cannot be served, and trying again without a change is useless (StoreUnavailable aside).

    phase: where it happened. reason: the one word. message: one sentence with the cause.
    hint: one sentence with the next step.
    """

    def __init__(self, phase: Phase, reason: Reason, message: str, hint: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.phase = phase
        self.reason = reason
        self.message = message
        self.hint = hint

    @property
    def told(self) -> list[str]:
        """All of it as plain text, for another process; `of` makes the error of it again."""
        return [self.phase, self.reason, self.message, self.hint]

    @classmethod
    def of(cls, told: Sequence[str]) -> "ModelError":
        """The error that another process has told."""
        phase, reason, message, hint = told
        return cls(Phase(phase), Reason(reason), message, hint)


class RequestError(ServerError):
    """One request cannot be answered; `str(error)` is the sentence for the caller."""


class InvalidRequest(RequestError):
    """The caller must change the request: the sentence names field and row, never the value."""

    _place: tuple[str, int, str] | None = None

    @classmethod
    def of_row(cls, where: str, row: int, what: str) -> "InvalidRequest":
        """One row is at fault. where: names the input. row: counts from 0. what: is wrong with it."""
        error = cls(f"{where}, row {row}: {what}")
        error._place = where, row, what
        return error

    def moved(self, rows: int) -> "InvalidRequest":
        """The same for a request of which `rows` rows came before those that were looked at."""
        if self._place is None or rows == 0:
            return self
        where, row, what = self._place
        return InvalidRequest.of_row(where, row + rows, what)


class NotAllowed(RequestError):
    """What the server was not started for; the sentence names the switch."""


class NotLoaded(RequestError):
    """A load that a caller asked for failed on the artifact; the sentence tells why."""


class TooLarge(RequestError):
    """A part of the request, which only its content shows, is beyond its limit."""


class UnknownModel(RequestError):
    """No model of that name is served here."""


class ModelNotReady(RequestError):
    """The model is known, but loading or failed."""


class Overloaded(RequestError):
    """Too much waits already, for the model or to be read."""


class TimedOut(RequestError):
    """The answer was not there within the request timeout."""


class CallerLeft(RequestError):
    """The caller hung up while a long request was in work, and the rest of it was dropped."""


class PredictFailed(RequestError):
    """The model's own code raised on an input that fits the signature."""


def cause_name(error: BaseException) -> str:
    """The one thing about a foreign exception that may be shown: its type's name."""
    return type(error).__name__


def bare(error: RequestError) -> RequestError:
    """The error without the frames that it came through: they hold the request, its body and, in a circle, the error.

    Until the next collection, which may be far, each refused body would stay in memory.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
