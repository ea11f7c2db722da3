"""The mirror of the cluster: what it gives back, and when it says that something changed."""

from typing import Any

from modelmoor_operator.cache import Cache
from modelmoor_operator.kinds import DEPLOYMENT

KEY = ("team", "iris")


def deployment(
    version: int = 1, *, name: str = "iris", uid: str = "u1", owner: str = "iris", **more: Any
) -> dict[str, Any]:
    reference = {"kind": "ModelDeployment", "name": owner, "uid": "m1", "controller": True}
    metadata = {"name": name, "namespace": "team", "uid": uid, "resourceVersion": str(version)}
    fields = [{"manager": "modelmoor", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    return {
        "kind": "Deployment",
        "metadata": metadata | {"ownerReferences": [reference], "managedFields": fields},
        "spec": {"replicas": 1},
        **more,
    }


def test_an_object_comes_back_as_it_went_in() -> None:
    """Compressed meanwhile, without its managed fields, but with what they said of us."""
    cache = Cache()
    assert cache.upsert(DEPLOYMENT, deployment(status={"replicas": 1}))
    found = cache.get(DEPLOYMENT, *KEY)
    assert found is not None
    assert found.body["spec"] == {"replicas": 1}
    assert found.body["status"] == {"replicas": 1}
    assert "managedFields" not in found.metadata
    assert found.managers == {"modelmoor"}
    assert found.owns_replicas
    assert cache.versions(DEPLOYMENT) == {KEY: ("u1", 1)}


def test_only_what_a_pass_reads_counts_as_a_change() -> None:
    """A newer version with the same content is kept and asks for no pass; an older one is dropped."""
    cache = Cache()
    cache.upsert(DEPLOYMENT, deployment(5))
    assert not cache.upsert(DEPLOYMENT, deployment(6))
    assert cache.versions(DEPLOYMENT)[KEY] == ("u1", 6)
    assert not cache.upsert(DEPLOYMENT, deployment(4, spec={"replicas": 9}))
    assert cache.upsert(DEPLOYMENT, deployment(7, spec={"replicas": 2}))
    assert cache.upsert(DEPLOYMENT, deployment(1, uid="u2"))


def test_children_follow_their_owner() -> None:
    """A child that goes to another model is a child of that one alone."""
    cache = Cache()
    cache.upsert(DEPLOYMENT, deployment(1))
    cache.upsert(DEPLOYMENT, deployment(2, owner="other"))
    assert cache.children(KEY) == []
    assert [child.name for child in cache.children(("team", "other"))] == ["iris"]
    assert cache.owner(DEPLOYMENT, *KEY) == ("team", "other")


def test_a_deletion_of_an_earlier_object_takes_no_later_one() -> None:
    """Names come again; uids do not."""
    cache = Cache()
    cache.upsert(DEPLOYMENT, deployment(3, uid="u2"))
    assert not cache.remove(DEPLOYMENT, deployment(1, uid="u1"))
    assert cache.knows(DEPLOYMENT, *KEY)
    assert cache.remove(DEPLOYMENT, deployment(4, uid="u2"))
    assert cache.get(DEPLOYMENT, *KEY) is None
    assert cache.models() == []


def test_a_thousand_objects_are_all_found_again() -> None:
    """More than stay unpacked at a time."""
    cache = Cache()
    for number in range(1000):
        cache.upsert(DEPLOYMENT, deployment(number + 1, name=f"m{number}", spec={"replicas": number}))
    for number in range(1000):
        found = cache.get(DEPLOYMENT, "team", f"m{number}")
        assert found is not None
        assert found.body["spec"]["replicas"] == number
