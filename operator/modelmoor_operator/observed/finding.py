"""A finding: one thing seen of a model, said as a reason, a sentence and a next step."""

from dataclasses import dataclass

from modelmoor_operator.api.reasons import Course, Phase, Reason


@dataclass(frozen=True)
class Finding:
    """What a check saw. `hint` is empty where nothing needs doing; `pod` and `phase` say where it happened."""

    reason: Reason
    message: str
    hint: str = ""
    pod: str = ""
    phase: Phase | None = None
    overdue: bool = False
    """The progress deadline has passed: what would be waited for otherwise now needs a person."""

    @property
    def stalled(self) -> bool:
        return self.overdue or self.reason.course is Course.Stalled

    @property
    def settled(self) -> bool:
        return not self.overdue and self.reason.course is Course.Settled

    @property
    def failed(self) -> bool:
        """Whether this goes into `status.failure`."""
        return self.stalled or self.reason.course is Course.Waiting


def sentence(text: str, limit: int = 400) -> str:
    """A text of Kubernetes as one line that ends in a full stop, cut where it is longer than `limit`."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return line if line.endswith((".", "…", "!", "?")) else line + "."
