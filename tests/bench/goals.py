"""What is promised: each goal is one ratio or figure of a run, the least that counts first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.found import FLAT, LIBRARY, OURS, Found
from bench.table import Row, over, rows
from perf.figures import Figures

Figure = Callable[[Found, list[Row]], float | None]
"""Of what was found, and the medians of its cells; None where the run does not have it."""


@dataclass(frozen=True)
class Goal:
    """A figure that a run may hold. more: whether more is better."""

    name: str
    figure: Figure
    goal: float
    unit: str = "x"
    more: bool = True


def judge(found: Found, figures: Figures) -> list[str]:
    """Add each goal's figure; the names of those that this run does not have."""
    medians = rows(found.cells)
    missing = []
    for goal in GOALS:
        measured = goal.figure(found, medians)
        if measured is None:
            missing.append(goal.name)
        else:
            figures.add(goal.name, measured, goal.unit, goal=goal.goal, more=goal.more)
    return missing


def against(
    model: str,
    connections: int,
    *,
    kinds: Iterable[str] = (),
    server: str = "",
    protocols: tuple[str, ...] = ("v1", "v2", "own"),
    count: int = 1,
    ours: str = OURS,
) -> Figure:
    """The least ratio over the servers of these kinds, or over one server; each asked with the body that it has."""

    def figure(found: Found, medians: list[Row]) -> float | None:
        case = [row for row in medians if (row.model, row.rows, row.connections) == (model, count, connections)]
        ratios = [
            over(row, case, ours)
            for row in case
            if row.protocol in protocols and (row.kind in kinds or row.server == server)
        ]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    return figure


def of_bare(model: str, connections: int) -> Figure:
    """Percent of what the bare HTTP server answers to the same body."""
    ratio = against(model, connections, kinds=("floor",), protocols=("constant",))

    def figure(found: Found, medians: list[Row]) -> float | None:
        share = ratio(found, medians)
        return None if share is None else 100 * share

    return figure


def cost(model: str) -> Figure:
    """Processor time a request at one connection, of the call in process and the bare server's request together."""

    def figure(found: Found, medians: list[Row]) -> float | None:
        costs = {
            row.protocol: row.cost
            for row in medians
            if (row.model, row.rows, row.connections, row.errors) == (model, 1, 1, 0)
            and (row.server == OURS or row.kind == "floor")
        }
        floors = {one.model: one.microseconds[1] for one in found.in_process}
        if not {"v1", "constant"} <= costs.keys() or model not in floors:
            return None
        return costs["v1"] / (costs["constant"] + floors[model])

    return figure


def start(model: str, what: str, ours: str = OURS) -> Figure:
    """`ready` (seconds) or `memory` (MB) of our server with a model."""

    def figure(found: Found, medians: list[Row]) -> float | None:
        return next((getattr(one, what) for one in found.alone if (one.server, one.model) == (ours, model)), None)

    return figure


def shortcut(model: str, figure: Figure) -> Figure:
    """The figure, of a run in which a model is answered by an engine of our own."""

    def checked(found: Found, medians: list[Row]) -> float | None:
        engines = {one.engine for one in found.alone if (one.server, one.model) == (OURS, model)}
        return figure(found, medians) if engines - {"", "Library"} else None

    return checked


def over_bare_tensorflow(found: Found, medians: list[Row]) -> float | None:
    """Memory of our server with the network, of a process that only loads and calls it."""
    bare = {one.model: one.memory for one in found.in_process}
    served = start("cnn", "memory", LIBRARY)(found, medians)
    return None if served is None or "cnn" not in bare else served / bare["cnn"]


PYTHON = ("python",)
TRITON = ("triton",)
GOALS = (
    *(
        Goal(f"iris, JSON, {n}: over Triton", against("iris", n, kinds=TRITON), x)
        for n, x in ((1, 6), (16, 7), (64, 7))
    ),
    Goal("iris, JSON, 16: over the best Python peer", against("iris", 16, kinds=PYTHON), 14),
    *(Goal(f"iris, JSON, {n}: of the bare HTTP server", of_bare("iris", n), x, "%") for n, x in ((1, 30), (16, 45))),
    *(
        Goal(f"forest, JSON, {n}: over Triton", against("forest", n, kinds=TRITON), x)
        for n, x in ((1, 45), (16, 20), (64, 10))
    ),
    *(
        Goal(f"forest, JSON, {n}: over the best Python peer", against("forest", n, kinds=PYTHON), x)
        for n, x in ((1, 55), (16, 100), (64, 100))
    ),
    Goal("boosting, JSON, 16: over Triton", against("boosting", 16, kinds=TRITON), 8),
    Goal("boosting, JSON, 16: over the best Python peer", against("boosting", 16, kinds=PYTHON), 40),
    Goal("mixed columns, JSON, 16: over the best Python peer", against("mixed", 16, kinds=PYTHON), 5),
    Goal(
        "cnn by TensorFlow, JSON, 16: over FastAPI with tf.function", against("cnn", 16, kinds=PYTHON, ours=LIBRARY), 8
    ),
    Goal("cnn by the fast engine, JSON, 16: over the same", shortcut("cnn", against("cnn", 16, kinds=PYTHON)), 20),
    *(
        Goal(f"forest, 64 rows, {said}, 16: over {name}", against("forest", 16, server=one, protocols=by, count=64), x)
        for said, by in (("JSON", ("v1", "v2")), ("binary", ("binary",)))
        for name, one, x in (("Triton", "Triton, Python backend", 10), ("KServe", "KServe", 12))
    ),
    *(
        Goal(f"iris, gRPC, {n}: over {name}", against("iris", n, kinds=kinds, protocols=("grpc",)), x)
        for name, kinds, x in (("the best Python peer", PYTHON, 3), ("Triton", TRITON, 1))
        for n in (1, 16, 64)
    ),
    *(
        Goal(f"{model}, JSON, 1: processor time, of the sum of the floors", cost(model), 1.5, more=False)
        for model in ("iris", "forest", "boosting", "mixed", "cnn")
    ),
    Goal("iris: memory", start("iris", "memory"), 130, "MB", more=False),
    Goal("iris: start to the first answer", start("iris", "ready"), 2, "s", more=False),
    Goal("iris from a flat artefact: memory", start("iris", "memory", FLAT), 70, "MB", more=False),
    Goal("iris from a flat artefact: start to the first answer", start("iris", "ready", FLAT), 0.5, "s", more=False),
    Goal("cnn by the fast engine: memory", shortcut("cnn", start("cnn", "memory")), 100, "MB", more=False),
    Goal(
        "cnn by the fast engine: start to the first answer",
        shortcut("cnn", start("cnn", "ready")),
        0.6,
        "s",
        more=False,
    ),
    Goal("cnn by TensorFlow: memory, of bare TensorFlow's", over_bare_tensorflow, 1.15, more=False),
)
