"""The operator's rights: the chart gives what the table of kinds names, and the table names what the code calls."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import modelmoor_operator
from modelmoor_operator import kinds
from support.helm import objects

SOURCE = Path(modelmoor_operator.__file__).parent
VERBS = {
    "get": {"get"},
    "list": {"list"},
    "pages": {"list"},
    "watch": {"watch"},
    "apply": {"create", "patch"},
    "create": {"create"},
    "merge": {"patch"},
    "replace": {"update"},
    "delete": {"delete"},
}
"""What each method of `cluster.Cluster` asks of the API server."""

Right = tuple[str, str, str]


def table(*found: kinds.Kind) -> set[Right]:
    """(group, resource, verb) as the operator states its needs."""
    own = {(kind.group, kind.plural, verb) for kind in found for verb in kind.verbs}
    below = {
        (kind.group, f"{kind.plural}/{name}", verb)
        for kind in found
        for name, verbs in kind.subresources
        for verb in verbs
    }
    return own | below


def granted(role: dict[str, Any]) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("options", [(), ("--set", "watchNamespaces={team}")], ids=["cluster", "namespace"])
def test_the_chart_gives_exactly_what_the_operator_needs(options: tuple[str, ...]) -> None:
    """Not a verb less, or the operator says so and waits; not a verb more, or a thief of its token has it."""
    roles = {
        role["metadata"]["name"]: role
        for role in objects(*options)
        if role["kind"] in ("Role", "ClusterRole") and not role["metadata"]["name"].endswith(("-view", "-edit"))
    }
    leader = next(role for name, role in roles.items() if name.endswith("-leader"))
    (operator,) = (role for name, role in roles.items() if not name.endswith("-leader"))

    everywhere = () if options else (kinds.LEASES,)
    assert granted(operator) == table(*(kind for kind in kinds.ALL_KINDS if kind is not kinds.LEASE), *everywhere)
    assert granted(leader) == table(kinds.LEASE)


def calls() -> Iterator[tuple[str, str, str | None]]:
    """(method, kind, subresource) of each call of the cluster in the source; the kind as it is written there."""
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr not in VERBS or not ast.unparse(node.func.value).endswith("cluster"):
                continue
            named = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg == "subresource"}
            yield node.func.attr, ast.unparse(node.args[0]), named.get("subresource")


def test_every_verb_of_the_table_is_used() -> None:
    """A right whose last caller is gone goes with it."""
    used: set[Right] = set()
    for method, written, subresource in calls():
        named = getattr(kinds, written, None)
        # a variable: any child; the resync reads every kind that is watched
        found = [named] if named else kinds.WATCHED_KINDS if method in ("get", "list", "pages") else kinds.CHILD_KINDS
        plural = f"/{subresource}" if subresource else ""
        # a subresource is only patched: its object is there
        verbs = VERBS[method] - ({"create"} if subresource else set())
        used |= {(kind.group, f"{kind.plural}{plural}", verb) for kind in found for verb in verbs}
    used |= {(kind.group, kind.plural, verb) for kind in kinds.WATCHED_KINDS for verb in ("list", "watch")}  # kopf

    asked_for_by_admission = {("modelmoor.dev", "modeldeployments/finalizers", "update")}
    assert table(*kinds.ALL_KINDS, kinds.LEASES) == used | asked_for_by_admission
