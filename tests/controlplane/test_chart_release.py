"""The life of a release on a real API server: install, upgrade, uninstall, and what must survive it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from controlplane.cel_cases import VALID
from modelmoor_operator.api.crd import TEMPLATE, VENDORED_CHART
from support.control_plane import ControlPlane
from support.machine import ROOT, tool
from support.waiting import eventually

pytestmark = pytest.mark.controlplane
CRD = "modeldeployments.modelmoor.dev"
RELEASE = "modelmoor"
DEADLINE = "The default is 10m."


@dataclass(frozen=True)
class Cluster:
    """kubectl and helm against the control plane of this session, in a namespace of the test's own."""

    control_plane: ControlPlane
    namespace: str

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.control_plane.kubectl("-n", self.namespace, *arguments, **options)

    def helm(self, *arguments: str) -> str:
        """Run helm in the release's namespace; CalledProcessError when it fails."""
        place = ("--kubeconfig", str(self.control_plane.kubeconfig), "-n", self.namespace)
        command = [str(tool("helm")), *place, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

    def install(self, *options: str, release: str = RELEASE, chart: Path = ROOT / "charts/modelmoor") -> str:
        return self.helm("install", release, str(chart), *options)


class Rights:
    """What the operator's account may do, as the API server itself decides it."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self._reviews = client.AuthorizationV1Api(connection)
        self._account = f"system:serviceaccount:{namespace}:{RELEASE}-operator"

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """`resource` is PLURAL[/SUBRESOURCE][.GROUP], as kubectl writes it."""
        named, _, group = resource.partition(".")
        plural, _, subresource = named.partition("/")
        attributes = client.V1ResourceAttributes(
            verb=verb, resource=plural, subresource=subresource, group=group, namespace=namespace
        )
        spec = client.V1SubjectAccessReviewSpec(user=self._account, resource_attributes=attributes)
        answer = self._reviews.create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
        return bool(answer.status.allowed)


@pytest.fixture
def cluster(control_plane: ControlPlane, namespace: str) -> Iterator[Cluster]:
    """A namespace that enforces `restricted`; the session's CRD is there and is taken over, never deleted."""
    found = Cluster(control_plane, namespace)
    found.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    yield found
    for release in found.helm("list", "-q").split():
        found.helm("uninstall", release)


def test_uninstall_keeps_the_models_and_a_new_install_finds_them(cluster: Cluster) -> None:
    """Without the operator the CRD and the ModelDeployments stay; the same release comes back to them."""
    cluster.install("--take-ownership")
    cluster.kubectl("create", "-f", "-", input=json.dumps(VALID[0].body()))
    before = cluster.kubectl("get", "mdep", "iris", "-o", "jsonpath={.metadata.uid}")

    told = cluster.helm("uninstall", RELEASE, "--wait")
    kept = cluster.kubectl("get", "mdep", "iris", "-o", "jsonpath={.metadata.uid}")
    cluster.install()

    assert f"[CustomResourceDefinition] {CRD}" in told
    assert kept == before
    assert cluster.kubectl("get", "mdep", "iris", "-o", "jsonpath={.metadata.uid}") == before


def test_upgrade_brings_the_newer_crd(cluster: Cluster, tmp_path: Path) -> None:
    """An older schema in the cluster is the current one after `helm upgrade`."""
    older = tmp_path / "modelmoor"
    shutil.copytree(ROOT / "charts/modelmoor", older)
    template = older / Path(VENDORED_CHART).relative_to("charts/modelmoor") / TEMPLATE
    template.write_text(template.read_text(encoding="utf-8").replace(DEADLINE, "As of old."), encoding="utf-8")
    cluster.install("--take-ownership", chart=older)
    assert "As of old." in cluster.kubectl("get", "crd", CRD, "-o", "json")

    cluster.helm("upgrade", RELEASE, str(ROOT / "charts/modelmoor"))

    schema = cluster.kubectl("get", "crd", CRD, "-o", "json")
    assert DEADLINE in schema
    assert "As of old." not in schema


def test_another_release_takes_the_crd_only_when_told_to(cluster: Cluster) -> None:
    """Helm guards a CRD of another release; the flag that the README names is the way."""
    cluster.install("--take-ownership")
    cluster.helm("uninstall", RELEASE, "--wait")

    with pytest.raises(subprocess.CalledProcessError) as refusal:
        cluster.install(release="other")
    cluster.install("--take-ownership", release="other")

    assert "invalid ownership metadata" in refusal.value.stderr


def test_the_operators_pods_are_admitted_where_pods_are_restricted(cluster: Cluster) -> None:
    """The namespace enforces `restricted`, and both pods are created nevertheless."""
    cluster.install("--take-ownership")

    selector = ("-l", "app.kubernetes.io/component=operator", "-o", "name")
    eventually(lambda: len(cluster.kubectl("get", "pods", *selector).split()) == 2, seconds=20)


@pytest.mark.parametrize("watched", [False, True], ids=["everywhere", "one namespace"])
def test_the_operators_account_may_do_its_work_and_no_more(cluster: Cluster, watched: bool) -> None:
    """The API server itself says what the account may do, in a watched namespace and in another one."""
    cluster.install("--take-ownership", *(("--set", f"watchNamespaces={{{cluster.namespace}}}") if watched else ()))

    with config.new_client_from_config(str(cluster.control_plane.kubeconfig)) as connection:
        rights = Rights(connection, cluster.namespace)
        here, elsewhere = cluster.namespace, "default"
        # the authorizer learns of new bindings by a watch of its own
        eventually(lambda: rights.may("patch", "modeldeployments/status.modelmoor.dev", here), seconds=10)
        eventually(lambda: rights.may("create", "leases.coordination.k8s.io", here), seconds=10)
        assert rights.may("patch", "deployments.apps", here)
        assert rights.may("create", "events.events.k8s.io", here)
        assert rights.may("list", "modeldeployments.modelmoor.dev", elsewhere) is not watched
        assert rights.may("create", "deployments.apps", elsewhere) is not watched
        for verb, resource in (
            ("get", "secrets"),
            ("list", "secrets"),
            ("create", "pods"),
            ("create", "pods/exec"),
            ("update", "modeldeployments.modelmoor.dev"),
            ("delete", "namespaces"),
            ("create", "roles.rbac.authorization.k8s.io"),
        ):
            assert not rights.may(verb, resource, here), f"{verb} {resource}"
        assert not rights.may("create", "leases.coordination.k8s.io", elsewhere)
