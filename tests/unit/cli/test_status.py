"""What `moor status` makes of objects as the API server gives them."""

from typing import Any

from modelmoor_operator.cli.status import table, told


def live(name: str, ready: str = "True", *, generation: int = 2, observed: int = 2, **status: Any) -> dict[str, Any]:
    conditions = [
        {"type": "Available", "status": "True", "reason": "ModelAvailable"},
        {"type": "Ready", "status": ready, "reason": "ModelReady" if ready == "True" else "ModelNotFound"},
    ]
    return {
        "metadata": {"name": name, "namespace": "shop", "generation": generation},
        "status": {
            "observedGeneration": observed,
            "conditions": conditions,
            "replicas": 2,
            "readyReplicas": 2,
            "summary": f"{name} is fine.",
        }
        | status,
    }


def test_a_status_of_an_older_spec_says_nothing_of_this_one() -> None:
    """A script that waits for Ready must not be fooled by the moment before the operator looks."""
    fact = told(live("iris", generation=3, observed=2))

    assert (fact["ready"], fact["reason"], fact["available"]) == ("Unknown", "NotSeenYet", "True")


def test_an_object_without_a_status_is_told_as_unseen() -> None:
    """The operator may be down."""
    lines = table([{"metadata": {"name": "new", "namespace": "shop", "generation": 1}}], with_namespace=False)

    assert lines[1].split()[:5] == ["new", "Unknown", "Unknown", "NotSeenYet", "0/0"]
    assert lines[1].endswith("The operator has not seen this object yet.")


def test_a_hint_stands_below_what_is_not_ready_alone() -> None:
    """A hint such as `Nothing to do` below every healthy model would hide the one that matters."""
    rows = [live("good", hint="Nothing to do."), live("bad", "False", hint="Check spec.model.uri.")]

    lines = table(rows, with_namespace=True)

    assert lines[1].startswith("shop/good")
    assert lines[2].startswith("shop/bad")
    assert lines[3] == "  hint: Check spec.model.uri."
    assert len(lines) == 4


def test_columns_stand_below_each_other() -> None:
    """Whatever the lengths of names are."""
    lines = table([live("a"), live("a-much-longer-name", "False")], with_namespace=False)

    assert len({line.index("2/2") for line in lines[1:]} | {lines[0].index("REPLICAS")}) == 1
