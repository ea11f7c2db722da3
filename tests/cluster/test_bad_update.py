"""An update that cannot work: what served before goes on serving, and the status says what is wrong with the new."""

import json

import pytest

from support.artifacts import answering
from support.load import load
from support.manifests import condition
from support.namespace import Namespace
from support.store import Store

pytestmark = pytest.mark.cluster


def test_the_old_revision_serves_until_a_good_one_is_there(namespace: Namespace, shared_store: Store) -> None:
    """A wrong URI takes nothing away; mending it rolls on, and not one request fails from the first to the last."""
    for version in (1, 2):
        shared_store.put(f"updated/{version}/model.joblib", answering(version))
    namespace.deploy("updated", "s3://models/updated/1/model.joblib")
    first = namespace.ready("updated")["status"]
    pods = namespace.pod_uids("updated")

    with load(namespace, "updated", kept=2, fresh=2) as client:
        namespace.change("updated", model={"uri": "s3://models/updated/missing/model.joblib"})
        stuck = namespace.until("updated", "Ready", "False", "ModelNotFound")
        status = stuck["status"]
        assert condition(stuck, "Available")["status"] == "True"
        assert condition(stuck, "Stalled")["reason"] == "ModelNotFound"
        assert status["activeRevision"] == first["activeRevision"] != status["targetRevision"]
        assert status["failure"]["revision"] == status["targetRevision"]
        assert "s3://models/updated/missing/model.joblib" in status["summary"]
        assert f"{first['activeRevision']} goes on serving" in status["summary"]
        assert pods < namespace.pod_uids("updated")
        during = client.until(client.report().total + 200)
        assert {answer(body) for body in during.answers} == {1}

        namespace.change("updated", model={"uri": "s3://models/updated/2/model.joblib"})
        mended = namespace.ready("updated")
        report = client.until(client.report().total + 200)

    assert mended["status"]["activeRevision"] == mended["status"]["targetRevision"] != first["activeRevision"]
    assert "failure" not in mended["status"]
    assert not condition(mended, "Stalled")
    assert report.failed == 0, report.failures
    assert {answer(body) for body in report.answers} == {1, 2}


def answer(body: str) -> int:
    return round(json.loads(body)["predictions"][0])
