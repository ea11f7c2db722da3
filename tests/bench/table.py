"""The figures of all rounds as Markdown: one table a case, one of starts and memory, one of the floors."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.found import OURS, Cell, Found, Place


@dataclass(frozen=True)
class Row(Place):
    """A server in a case: medians of its rounds. share: of one core. cost: µs of processor time a request."""

    rate: float
    p50: float
    p99: float
    share: float
    cost: float
    foreign: float
    errors: int


def rows(cells: Iterable[Cell]) -> list[Row]:
    """One row a server, protocol and case, in the order of the first round."""
    grouped: dict[tuple[str, str, str, str, int, int], list[Cell]] = {}
    for cell in cells:
        key = (cell.server, cell.kind, cell.protocol, cell.model, cell.rows, cell.connections)
        grouped.setdefault(key, []).append(cell)
    return [
        Row(
            *key,
            rate=statistics.median(cell.requests / cell.seconds for cell in rounds),
            p50=statistics.median(cell.p50 for cell in rounds),
            p99=statistics.median(cell.p99 for cell in rounds),
            share=statistics.median(cell.cpu / cell.seconds for cell in rounds),
            cost=statistics.median(1e6 * cell.cpu / max(1, cell.requests) for cell in rounds),
            foreign=statistics.median(cell.foreign for cell in rounds),
            errors=sum(cell.errors for cell in rounds),
        )
        for key, rounds in grouped.items()
    ]


def whole(run: Found) -> str:
    """Everything, for people."""
    parts = []
    found = rows(run.cells)
    for model, count, connections in dict.fromkeys((row.model, row.rows, row.connections) for row in found):
        case = [row for row in found if (row.model, row.rows, row.connections) == (model, count, connections)]
        parts.append(f"### {model}, rows {count}, connections {connections}\n\n{_case(case)}")
    starts = [("model", "server", "engine", "ready s", "memory MB")]
    starts += [(one.model, one.server, one.engine, f"{one.ready:.2f}", f"{one.memory:.0f}") for one in run.alone]
    parts.append("### Start and memory\n\n" + markdown(starts))
    floors = [
        (one.model, *(f"{cost:,.0f}" for cost in one.microseconds.values()), f"{one.memory:.0f}")
        for one in run.in_process
    ]
    counts = [f"µs a call, rows {count}" for count in (run.in_process[0].microseconds if run.in_process else ())]
    parts.append("### In process\n\n" + markdown([("model", *counts, "memory MB"), *floors]))
    if run.problems:
        parts.append("### Not measured, or does not count\n\n" + "\n".join(f"- {problem}" for problem in run.problems))
    return "\n\n".join(parts)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """An aligned Markdown table; the first line is its head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]])


def _case(case: list[Row]) -> str:
    head = ("server", "protocol", "requests/s", "ours", "p50 ms", "p99 ms", "CPU µs", "ours", "core", "foreign")
    return markdown([head, *(_line(row, case) for row in sorted(case, key=lambda row: -row.rate))])


def _line(row: Row, case: list[Row]) -> tuple[str, ...]:
    ours = None if row.kind == "ours" else partner(row, case)
    invalid = "" if not row.errors else f" ({row.errors} errors: does not count)"
    return (
        row.server,
        row.protocol,
        f"{row.rate:,.0f}{invalid}",
        f"{ours.rate / row.rate:.3g}x" if ours and row.rate else "",
        f"{row.p50:.2f}",
        f"{row.p99:.2f}",
        f"{row.cost:,.0f}",
        f"{ours.cost / row.cost:.2g}x" if ours and row.cost else "",
        f"{row.share:.2f}",
        f"{row.foreign:.2f}",
    )


def partner(row: Row, case: Iterable[Row], ours: str = OURS) -> Row | None:
    """Our server asked with the same body; None where either has no figure that counts."""
    body = "v1" if row.protocol in ("own", "constant") else row.protocol
    counts = (other for other in case if not other.errors and not row.errors)
    return next((other for other in counts if (other.server, other.protocol) == (ours, body)), None)


def over(row: Row, case: Iterable[Row], ours: str = OURS) -> float | None:
    """How many times as many requests our server answered; None where that is not known."""
    other = partner(row, case, ours)
    return None if other is None or not row.rate else other.rate / row.rate
