"""From cells to medians, ratios, verdicts and tables."""

from pathlib import Path

import pytest

from bench.found import Alone, Cell, Found, InProcess
from bench.goals import against, cost, judge, of_bare, shortcut, start
from bench.table import markdown, rows, whole
from perf.figures import Figures


def cell(server: str, kind: str, protocol: str, requests: int, **more: float) -> Cell:
    """One second of iris, one row, 16 connections."""
    given = {"connections": 16, "rows": 1, "seconds": 1.0, "p50": 1.0, "p99": 2.0, "errors": 0, "cpu": 0.5}
    return Cell(server, kind, protocol, "iris", requests=requests, foreign=0.1, **(given | more))  # type: ignore[arg-type]


def peers() -> Found:
    """Ours by v1 and v2, Triton by v2, two Python peers by v1 and a route of their own, the bare server."""
    return Found(
        cells=[
            *(cell("modelmoor", "ours", "v1", count) for count in (900, 1000, 5000)),
            cell("modelmoor", "ours", "v2", 800),
            cell("Triton, Python backend", "triton", "v2", 400),
            cell("FastAPI by hand", "python", "v1", 100),
            cell("LitServe", "python", "own", 50),
            cell("bare", "floor", "constant", 4000),
        ],
        alone=[Alone("modelmoor", "ours", "iris", 1.5, 140.0)],
        in_process=[InProcess("iris", 110.0, {1: 80.0, 64: 90.0})],
    )


def test_a_case_is_the_median_of_its_rounds() -> None:
    """A round of luck or of a busy machine does not decide."""
    row = rows(peers().cells)[0]
    assert (row.rate, row.share) == (1000, 0.5)
    assert row.cost == pytest.approx(500)


def test_a_ratio_is_of_the_same_body() -> None:
    """Triton's v2 is compared with our v2; a peer with a route of its own takes the body of v1."""
    found = peers()
    medians = rows(found.cells)
    assert against("iris", 16, kinds=("triton",))(found, medians) == 2.0
    assert against("iris", 16, server="LitServe")(found, medians) == 20.0
    assert of_bare("iris", 16)(found, medians) == 25.0


def test_the_best_peer_is_the_one_that_is_least_behind() -> None:
    """Of 10 and 20 times, 10 counts."""
    found = peers()
    assert against("iris", 16, kinds=("python",))(found, rows(found.cells)) == 10.0


def test_a_cell_with_errors_decides_nothing() -> None:
    """Refusals are quick: a server that refuses must not look fast, be it ours or a peer."""
    for broken in ("modelmoor", "FastAPI by hand"):
        found = peers()
        found.cells = [
            cell(one.server, one.kind, one.protocol, one.requests, errors=int(one.server == broken))
            for one in found.cells
        ]
        left = against("iris", 16, kinds=("python",))(found, rows(found.cells))
        assert left == (None if broken == "modelmoor" else 20.0)


def test_cost_is_compared_with_both_floors() -> None:
    """At one connection: 300 µs of ours, 80 in process, 40 of the bare server."""
    found = peers()
    found.cells = [
        cell("modelmoor", "ours", "v1", 1000, connections=1, cpu=0.3),
        cell("bare", "floor", "constant", 1000, connections=1, cpu=0.04),
    ]
    assert cost("iris")(found, rows(found.cells)) == pytest.approx(2.5)


def test_verdicts_and_what_a_run_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More is better of a ratio, less of memory; goals without a measurement are listed, not judged; the exit code."""
    figures = Figures({})
    missing = judge(peers(), figures)
    verdicts = {one.name: one.verdict for one in figures.found}
    assert verdicts["iris, JSON, 16: over Triton"] == "MISSED"
    assert verdicts["iris: memory"] == "within a fifth"
    assert verdicts["iris: start to the first answer"] == "met"
    assert "forest, JSON, 16: over Triton" in missing
    assert figures.conclude(tmp_path / "bench.json") == 1
    assert "over Triton" in capsys.readouterr().err


def test_goals_of_the_fast_engine_wait_for_it() -> None:
    """Memory of a network that its own library answers is not judged by the goal of a conversion."""
    memory = shortcut("cnn", start("cnn", "memory"))
    for engine, figure in (("Library", None), ("Native", 90.0)):
        found = Found(alone=[Alone("modelmoor", "ours", "cnn", 1.0, 90.0, engine)])
        assert memory(found, []) == figure


def test_more_is_better_within_a_fifth() -> None:
    """A ratio of 5 where 6 is the goal is within a fifth of it; one of 4.9 is not."""
    figures = Figures({})
    for measured in (6.0, 5.0, 4.9):
        figures.add("ratio", measured, "x", goal=6, more=True)
    assert [one.verdict for one in figures.found] == ["met", "within a fifth", "MISSED"]


def test_the_table_tells_rates_ratios_and_what_does_not_count() -> None:
    """One table a case, best first; problems at the end."""
    found = peers()
    found.cells.append(cell("KServe", "python", "v1", 700, errors=3))
    found.problems.append("KServe, v1: does not count")
    told = whole(found)
    assert "### iris, rows 1, connections 16" in told
    assert "| FastAPI by hand" in told
    assert "10x" in told
    assert "700 (3 errors: does not count)" in told
    assert told.endswith("- KServe, v1: does not count")


def test_markdown_is_aligned() -> None:
    """Columns are as wide as their widest cell."""
    assert markdown([("a", "long head"), ("wide cell", "b")]).splitlines() == [
        "| a         | long head |",
        "|-----------|-----------|",
        "| wide cell | b         |",
    ]
