"""Which call meets which fault: a pure function of the seed, so that a printed seed tells the same story again."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What can happen to one request."""

    CONFLICT = "409"
    TOO_MANY = "429"
    ERROR = "500"
    UNAVAILABLE = "503"
    LOST = "committed, answer lost"
    SLOW = "committed, then silence"


class Moment(StrEnum):
    """When the operator dies, as seen from one of its writes."""

    UNANSWERED = "before the answer"
    ANSWERED = "after the answer"


@dataclass(frozen=True)
class Call:
    """One request of the operator."""

    method: str
    plural: str
    namespace: str
    name: str
    path: str
    watch: bool = False
    dry_run: bool = False

    @property
    def write(self) -> bool:
        """It may change the state that a scenario looks at: leader election and questions about rights do not."""
        idle = self.plural in ("leases", "selfsubjectaccessreviews", "selfsubjectrulesreviews")
        return self.method != "GET" and not self.dry_run and not idle


def read_call(method: str, path: str, query: Mapping[str, str]) -> Call:
    """`/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUB` taken apart; what is absent is empty."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name = ([*rest, "", ""])[:2]
    watch = query.get("watch") in ("true", "1")
    return Call(method, plural, namespace, name, path, watch=watch, dry_run=bool(query.get("dryRun")))


@dataclass
class Faults:
    """What goes wrong at present; nothing by default. Changed from the scenario's thread, read by the proxy's."""

    seed: int
    rates: Mapping[Fault, float] = field(default_factory=dict)
    """The share of calls that meets each fault."""
    drop: Mapping[str, float] = field(default_factory=dict)
    """The share of watch events that never arrive, by plural; `*` is any other."""
    delay: Mapping[str, float] = field(default_factory=dict)
    """Longest delay of a watch event in seconds, half of it the shortest, by plural.

    So kinds overtake each other; events of one kind do not.
    """
    cut: float = 0.0
    """The share of watch events after which the watch ends."""
    stale: float = 0.0
    """The share of lists and gets of children that is answered as some time before."""
    outage: Fault | None = None
    """Every request meets this."""
    hits: Counter[str] = field(default_factory=Counter)
    """What was done, by the words of the report."""
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def stop(self) -> None:
        """From here on all goes well."""
        self.rates, self.drop, self.delay, self.cut, self.stale, self.outage = {}, {}, {}, 0.0, 0.0, None

    def meets(self, call: Call) -> Fault | None:
        """The fault of this call. The n-th call of one method and path has the same fate in every run of a seed."""
        if self.outage is not None:
            return self._hit(self.outage)
        if not self.rates or call.plural in ("leases", "selfsubjectaccessreviews", "selfsubjectrulesreviews"):
            return None
        left = self.chance("call", f"{call.method} {call.path}")
        for fault, rate in self.rates.items():
            if fault in (Fault.CONFLICT, Fault.LOST, Fault.SLOW) and not call.write:
                continue
            if left < rate:
                return self._hit(fault)
            left -= rate
        return None

    def drops(self, call: Call) -> bool:
        return self._luck(self.drop.get(call.plural, self.drop.get("*", 0.0)), "event dropped", call)

    def cuts(self, call: Call) -> bool:
        return self._luck(self.cut, "watch cut", call)

    def is_stale(self, call: Call) -> bool:
        return self._luck(self.stale, "stale answer", call)

    def wait(self, call: Call) -> float:
        """How long the next event of this watch is held back."""
        longest = self.delay.get(call.plural, self.delay.get("*", 0.0))
        if not longest:
            return 0.0
        self.hits["event delayed"] += 1
        return longest * (0.5 + self.chance("event delayed", call.path) / 2)

    def chance(self, what: str, path: str) -> float:
        """A number in [0, 1) that depends on the seed and on how often it was asked for, on nothing else."""
        self._seen[what, path] += 1
        text = f"{self.seed} {what} {path} {self._seen[what, path]}"
        return random.Random(text).random()

    def _luck(self, rate: float, what: str, call: Call) -> bool:
        if not rate or self.chance(what, call.path) >= rate:
            return False
        self.hits[what] += 1
        return True

    def _hit(self, fault: Fault) -> Fault:
        self.hits[fault.value] += 1
        return fault
