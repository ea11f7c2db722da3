"""Properties of any spec: the way to a state does not show in it, and what other managers break is healed."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from chaos.api import Api, Refusal
from chaos.bench import Bench, Different
from chaos.scenarios import Outcome, outcome
from chaos.specs import specs
from chaos.state import Snapshot, difference
from modelmoor_operator.kinds import AUTOSCALER, DEPLOYMENT, DISRUPTION_BUDGET, MODEL_DEPLOYMENT, SERVICE, Kind
from support.manifests import condition, model

Object = dict[str, Any]


def _settings(examples: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=slow,
        phases=(Phase.explicit, Phase.generate),  # one example takes seconds: the diff says more than a shrunk spec
    )


def accepted(api: Api, spec: Object) -> bool:
    """Whether the API server's schema and CEL rules take a spec."""
    try:
        api.apply(MODEL_DEPLOYMENT, "default", _object(spec), dry_run=True)
    except Refusal as refusal:
        if refusal.status in (400, 422):
            return False
        raise
    return True


def _ready(state: Snapshot) -> bool:
    return bool(condition(state["modeldeployments/iris"], "Ready").get("status") == "True")


def _object(spec: Object) -> Object:
    return {**model("iris"), "spec": spec}


def there_and_back(bench: Bench, examples: int) -> Outcome:
    """A, then B, then A again: the state equals that of an A which never was anything else."""
    with outcome(bench) as told:

        @seed(bench.faults.seed)
        @_settings(examples)
        @given(specs(), specs())
        def holds(a: Object, b: Object) -> None:
            assume(accepted(bench.api, a) and accepted(bench.api, b))
            fresh, there = bench.namespace("fresh"), bench.namespace("there")
            bench.api.apply(MODEL_DEPLOYMENT, fresh, _object(a))
            bench.api.apply(MODEL_DEPLOYMENT, there, _object(a))
            expected = bench.settled(fresh, history=False)
            bench.reaches(there, expected, history=False)
            assume(_ready(expected))  # what never serves leaves in place what served before it
            bench.api.replace(MODEL_DEPLOYMENT, there, _object(b))
            bench.settled(there)
            bench.api.replace(MODEL_DEPLOYMENT, there, _object(a))
            found = bench.settled(there, history=False)
            told.runs += 1
            if found != expected:
                raise Different(f"from {a}\nto {b}\nand back:\n{difference(expected, found)}\n{bench.last_words()}")
            for namespace in (fresh, there):
                bench.api.delete(MODEL_DEPLOYMENT, namespace, "iris")

        holds()
    return told


def _json_patch(kind: Kind, name: str, *operations: Object) -> Callable[[Api, str], object]:
    return lambda api, namespace: api.patch(kind, namespace, name, list(operations))


def _merge(kind: Kind, name: str, change: Object) -> Callable[[Api, str], object]:
    return lambda api, namespace: api.patch(kind, namespace, name, change)


_CONTAINER = "/spec/template/spec/containers/0"
_SPY = {"name": "spy", "image": "spy:1"}

MISOPERATIONS: dict[str, Callable[[Api, str], object]] = {
    "another image": _json_patch(
        DEPLOYMENT, "iris", {"op": "replace", "path": f"{_CONTAINER}/image", "value": "evil:1"}
    ),
    "a foreign container": _json_patch(
        DEPLOYMENT, "iris", {"op": "add", "path": "/spec/template/spec/containers/-", "value": _SPY}
    ),
    "a foreign variable": _json_patch(
        DEPLOYMENT, "iris", {"op": "add", "path": f"{_CONTAINER}/env/-", "value": {"name": "SPY", "value": "1"}}
    ),
    "no readiness probe": _json_patch(DEPLOYMENT, "iris", {"op": "remove", "path": f"{_CONTAINER}/readinessProbe"}),
    "another container port": _json_patch(
        DEPLOYMENT, "iris", {"op": "replace", "path": f"{_CONTAINER}/ports/0/containerPort", "value": 9999}
    ),
    "another number": _merge(DEPLOYMENT, "iris", {"spec": {"replicas": 4}}),
    "no owner": _merge(DEPLOYMENT, "iris", {"metadata": {"ownerReferences": None}}),
    "no labels": _merge(SERVICE, "iris", {"metadata": {"labels": None}}),
    "another Service port": _json_patch(SERVICE, "iris", {"op": "replace", "path": "/spec/ports/0/port", "value": 81}),
    "a foreign selector": _merge(SERVICE, "iris", {"spec": {"selector": {"spy": "1"}}}),
    "another budget": _merge(DISRUPTION_BUDGET, "iris", {"spec": {"maxUnavailable": 0}}),
    "no Deployment": lambda api, namespace: api.delete(DEPLOYMENT, namespace, "iris"),
    "no Service": lambda api, namespace: api.delete(SERVICE, namespace, "iris"),
    "no budget": lambda api, namespace: api.delete(DISRUPTION_BUDGET, namespace, "iris"),
    "an autoscaler of the same name is gone": lambda api, namespace: api.delete(AUTOSCALER, namespace, "iris"),
}


def misoperations(bench: Bench, examples: int) -> Outcome:
    """Three edits of children by another manager, in any order, at once: the state is again what it was."""
    with outcome(bench) as told:
        fixed = bench.namespace("edits")
        bench.api.apply(MODEL_DEPLOYMENT, fixed, model("iris", replicas=2))
        expected = bench.settled(fixed, history=False)

        @seed(bench.faults.seed)
        @_settings(examples)
        @given(st.lists(st.sampled_from(sorted(MISOPERATIONS)), min_size=3, max_size=3, unique=True))
        def holds(names: list[str]) -> None:
            for name in names:
                try:
                    MISOPERATIONS[name](bench.api, fixed)
                except Refusal as refusal:
                    if refusal.status not in (404, 409, 422):  # an earlier edit took its object or its field away
                        raise
            told.runs += 1
            try:
                bench.reaches(fixed, expected, history=False)
            except Different as error:
                raise Different(f"after {names}: {error}") from error
            bench.stays(fixed, expected, history=False)

        holds()
    return told
