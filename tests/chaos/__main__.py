"""`make chaos`: every scenario in its long form on a control plane of its own, and a table of what came out."""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator

from chaos import outages, properties, scenarios
from chaos.bench import Bench, bench
from chaos.faults import Moment
from chaos.scenarios import Outcome
from chaos.stories import CREATE, DELETE, SEVERAL, UPDATE
from support.account import account
from support.control_plane import control_plane
from support.machine import end_cleanly_when_told

Scenario = tuple[str, Callable[[Bench], Outcome]]


def main() -> int:
    """Run what was chosen; returns 1 where an end differed."""
    arguments = _parser().parse_args()
    chosen = [item for item in plan(arguments) if arguments.only in item[0]]
    if arguments.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    if not chosen:
        print(f"make chaos: no scenario has {arguments.only!r} in its name; --list prints them all", file=sys.stderr)
        return 2
    end_cleanly_when_told()
    print(f'seed {arguments.seed}; once more: make chaos CHAOS="--seed {arguments.seed}"', flush=True)
    told: dict[str, Outcome] = {}
    begun = time.monotonic()
    with control_plane() as plane:
        with bench(plane, account(plane, "chaos"), seed=arguments.seed) as made:
            for number, (name, run) in enumerate(chosen, 1):
                print(f"  {number} of {len(chosen)}: {name} ...", end=" ", file=sys.stderr, flush=True)
                told[name] = _attempt(name, run, made)
                print(f"{told[name].verdict}, {told[name].seconds:.0f} s", file=sys.stderr, flush=True)
    print(table(told))
    print(f"{(time.monotonic() - begun) / 60:.0f} minutes")
    return 1 if any(item.verdict != "same" for item in told.values()) else 0


def plan(arguments: argparse.Namespace) -> Iterator[Scenario]:
    """The long form: names, and what to run under them."""
    runs, examples = arguments.runs, arguments.examples
    for story in (CREATE, UPDATE, DELETE):
        yield f"kill {story.name}", lambda b, story=story: scenarios.kill_at_every_write(b, story, known(b, story))
        for moment in Moment:
            yield (
                f"lives {story.name} {moment.value}",
                lambda b, story=story, moment=moment: scenarios.one_write_a_life(b, story, known(b, story), moment),
            )
    for story in (UPDATE, DELETE, SEVERAL):
        for scenario in (
            scenarios.random_answers,
            scenarios.lost_events,
            scenarios.late_events,
            scenarios.stale_reads,
            scenarios.everything,
        ):
            yield (
                f"{scenario.__name__} {story.name}",
                lambda b, story=story, scenario=scenario: scenario(b, story, known(b, story), runs),
            )
    yield "there_and_back", lambda b: properties.there_and_back(b, examples)
    yield "misoperations", lambda b: properties.misoperations(b, examples)
    yield "killed while creating 50", lambda b: outages.killed_while_creating(b, models=50, kills=20)
    yield "cut off", lambda b: outages.cut_off(b, seconds=arguments.outage)
    yield "restarted", outages.restarted
    yield "unavailable", lambda b: outages.unavailable(b, seconds=60)


_known: dict[str, scenarios.Reference] = {}


def known(made: Bench, story: scenarios.Story) -> scenarios.Reference:
    """The reference of a story, played once."""
    if story.name not in _known:
        _known[story.name] = scenarios.reference(made, story)
    return _known[story.name]


def _attempt(name: str, run: Callable[[Bench], Outcome], made: Bench) -> Outcome:
    """One line of the table; its seconds are all that the scenario took, a story's reference included."""
    made.faults.hits.clear()
    begun = time.monotonic()
    try:
        told = run(made)
        made.clear()
    except Exception as error:  # noqa: BLE001 - the table is to be told whole, and the exit code is 1
        print(f"\n{name}, seed {made.faults.seed}: {type(error).__name__}: {error}\n", flush=True)
        told = Outcome(verdict="DIFFERENT" if isinstance(error, AssertionError) else "FAILED")
        told.hits = dict(made.faults.hits)
    told.faults, told.seconds = sum(told.hits.values()), time.monotonic() - begun
    return told


def table(told: dict[str, Outcome]) -> str:
    """What came out, a line a scenario."""
    head = ("scenario", "runs", "faults", "verdict", "seconds")
    rows = [
        (name, str(item.runs), str(item.faults), item.verdict, f"{item.seconds:.0f}") for name, item in told.items()
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    hits: dict[str, int] = {}
    for item in told.values():
        for word, count in item.hits.items():
            hits[word] = hits.get(word, 0) + count
    injected = ", ".join(f"{count} × {word}" for word, count in sorted(hits.items()))
    return "\n".join([*lines, "", f"injected: {injected or 'nothing'}"])


_EPILOG = """
It ends by itself, with 1 where an end differed from the one without faults. On two cores that others keep busy (a load
of 15 to 20) the scenarios took an hour and a half together: "kill update" twenty minutes, "kill delete" ten, each of
the others seven at most. One alone: CHAOS="--only unavailable".
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make chaos", usage='make chaos CHAOS="[options]"', description=__doc__, epilog=_EPILOG
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="printed, and to be given again")
    parser.add_argument("--only", default="", help="run the scenarios with this in their name")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios and end")
    parser.add_argument("--runs", type=int, default=3, help="runs of each random scenario (3)")
    parser.add_argument("--examples", type=int, default=30, help="examples of each property (30)")
    parser.add_argument("--outage", type=float, default=180, help="seconds without the API server (180)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
