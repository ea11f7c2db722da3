"""The charts: what they render fits the operator, what they refuse is told, and their documents are current."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from modelmoor_operator import metrics, settings
from modelmoor_operator.api import crd
from support.helm import CHART, Object, helm, objects, render
from support.machine import ROOT

CRD_CHART = ROOT / crd.CRD_CHART
SETTINGS_KEYS = [
    "servingImage",
    "imagePullPolicy",
    "watchNamespaces",
    "defaults",
    "networkPolicy",
    "monitoring",
    "pickle",
    "legacyKeras",
    "versionMismatch",
    "workers",
    "logLevel",
    "apiQPS",
    "apiBurst",
]


def only(kind: str, found: list[Object], suffix: str = "") -> Object:
    """The one object of a kind whose name ends so."""
    (match,) = (each for each in found if each["kind"] == kind and each["metadata"]["name"].endswith(suffix))
    return match


def refusal(*options: str) -> str:
    """What helm says when it refuses the values."""
    done = helm("template", "modelmoor", str(CHART), "--kube-version", "1.30.0", *options)
    assert done.returncode != 0, f"{options} were taken"
    return done.stderr


@pytest.mark.parametrize("chart", [CHART, CRD_CHART], ids=["modelmoor", "modelmoor-crds"])
def test_helm_has_nothing_to_complain_about(chart: Path) -> None:
    """`helm lint --strict` takes warnings for errors."""
    done = helm("lint", "--strict", str(chart))

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_two_renders_are_equal() -> None:
    """Nothing is random or of today: a GitOps tool that renders again sees no change."""
    assert render() == render()


def test_the_settings_file_is_the_one_that_the_operator_reads(tmp_path: Path) -> None:
    """Each key of the rendered file reaches the operator's settings with its value, and no key is missing."""
    given: dict[str, Any] = {
        "servingImage": {"repository": "registry.example:5000/serving", "tag": "9", "pullPolicy": "Always"},
        "watchNamespaces": ["flowers", "birds"],
        "defaults": {
            "resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "3Gi"}},
            "podTemplate": {"metadata": {"labels": {"team": "vision"}}, "spec": {"nodeSelector": {"disk": "ssd"}}},
        },
        "networkPolicy": {
            "enabled": True,
            "from": [{"namespaceSelector": {}}],
            "alwaysFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        },
        "monitoring": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "1m"},
        "pickle": "AllowListed",
        "legacyKeras": "Deny",
        "versionMismatch": "Warn",
        "workers": 3,
        "logLevel": "DEBUG",
        "apiQPS": 1500,
        "apiBurst": 2000,
    }
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(given), encoding="utf-8")
    text = only("ConfigMap", objects("-f", str(values)))["data"]["settings.yaml"]
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")

    read = settings.load(file)

    assert list(yaml.safe_load(text)) == SETTINGS_KEYS
    assert read.serving_image == "registry.example:5000/serving:9"
    assert read.image_pull_policy == "Always"
    assert read.watch_namespaces == ("flowers", "birds")
    assert read.defaults.resources == given["defaults"]["resources"]
    assert read.defaults.pod_template == given["defaults"]["podTemplate"]
    assert read.network_policy.model_dump(by_alias=True, mode="json") == given["networkPolicy"]
    assert read.monitoring.model_dump(by_alias=True) == given["monitoring"]
    assert (read.pickle, read.legacy_keras, read.version_mismatch) == ("AllowListed", "Deny", "Warn")
    assert (read.workers, read.log_level, read.api_qps, read.api_burst) == (3, "DEBUG", 1500, 2000)


def test_without_values_the_chart_and_the_operator_agree_on_the_defaults(tmp_path: Path) -> None:
    """An operator started by hand and an installed one behave alike, but for resources, which a cluster alone has."""
    file = tmp_path / "settings.yaml"
    file.write_text(only("ConfigMap", objects())["data"]["settings.yaml"], encoding="utf-8")

    installed = settings.load(file)

    assert installed.model_copy(update={"defaults": settings.Defaults()}) == settings.Settings()
    assert "cpu" in installed.defaults.resources["requests"], "autoscaling needs a request for CPU"


def test_the_operator_runs_as_it_expects_to() -> None:
    """Arguments, environment, port, probes and the settings file are where the operator looks for them."""
    deployment = only("Deployment", objects())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert deployment["spec"]["replicas"] == 2
    assert container["args"] == ["run", "--settings", "/etc/modelmoor/settings.yaml"]
    assert {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]} == {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }
    assert container["ports"] == [{"name": "health", "containerPort": 8081}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == "/etc/modelmoor")
    (volume,) = (each for each in pod["volumes"] if each["name"] == mount["name"])
    assert volume["configMap"]["name"] == only("ConfigMap", objects())["metadata"]["name"]


def test_the_operator_may_run_where_pods_are_restricted() -> None:
    """The pod fits the Pod Security level `restricted` and writes to nothing but /tmp."""
    pod = only("Deployment", objects())["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_other_settings_are_other_pods() -> None:
    """The operator reads its settings at start, so a change of them rolls it."""
    before = only("Deployment", objects())["spec"]["template"]["metadata"]["annotations"]
    after = only("Deployment", objects("--set", "workers=9"))["spec"]["template"]["metadata"]["annotations"]

    assert before != after


def rules(found: list[Object]) -> Iterator[Object]:
    """Every rule that the operator's account is bound to."""
    for role in found:
        if role["kind"] in ("Role", "ClusterRole") and not role["metadata"]["name"].endswith(("-view", "-edit")):
            yield from role["rules"]


@pytest.mark.parametrize("options", [(), ("--set", "watchNamespaces={a,b}")], ids=["cluster", "namespaces"])
def test_the_operator_holds_no_secret_and_no_wildcard(options: tuple[str, ...]) -> None:
    """Whoever takes over the operator reads no Secret and gains nothing that is not named."""
    found = list(rules(objects(*options)))

    assert found
    for rule in found:
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        assert not {"secrets", "pods/exec", "serviceaccounts/token"} & set(rule["resources"])
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def test_watched_namespaces_need_no_cluster_wide_right() -> None:
    """With a list each namespace has a Role with the rules of the ClusterRole, bound to the one account."""
    options = ("--set", "watchNamespaces={a,b}", "--set", "rbac.aggregate=false", "--set", "crds.enabled=false")
    found = objects(*options)
    wide = only("ClusterRole", objects("--set", "rbac.aggregate=false"))

    assert not [each["kind"] for each in found if each["kind"].startswith(("Cluster", "CustomResource"))]
    roles = {each["metadata"]["namespace"]: each for each in found if each["kind"] == "Role"}
    assert roles.keys() == {"a", "b", "modelmoor-system"}
    shared = [rule for rule in wide["rules"] if rule["resources"] != ["leases"]]  # only who serves all looks for rivals
    assert roles["a"]["rules"] == roles["b"]["rules"] == shared
    assert len(shared) == len(wide["rules"]) - 1
    bindings = [each for each in found if each["kind"] == "RoleBinding"]
    assert {each["metadata"]["namespace"] for each in bindings} == roles.keys()
    account = only("ServiceAccount", found)["metadata"]
    for binding in bindings:
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
        assert binding["roleRef"]["name"] == roles[binding["metadata"]["namespace"]]["metadata"]["name"]


def test_people_who_may_view_or_edit_a_namespace_may_do_so_with_models() -> None:
    """The cluster's own roles learn of ModelDeployment, without a right to write its status."""
    found = objects()
    view, edit = only("ClusterRole", found, "-view"), only("ClusterRole", found, "-edit")

    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert {verb for rule in view["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert not [rule for rule in edit["rules"] if "modeldeployments/status" in rule["resources"]]


def test_the_crd_comes_with_the_chart_and_is_kept() -> None:
    """One `helm install` brings the CRD as generated; an uninstall leaves it, and the models with it."""
    generated = yaml.safe_load((ROOT / crd.CRD_FILE).read_text(encoding="utf-8"))
    rendered = only("CustomResourceDefinition", objects())

    assert rendered["spec"] == generated["spec"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert only("CustomResourceDefinition", objects(chart=CRD_CHART)) == rendered
    for switched_off in ({"chart": CHART}, {"chart": CRD_CHART}):
        found = objects("--set", "crds.enabled=false", **switched_off)
        assert not [each for each in found if each["kind"] == "CustomResourceDefinition"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--set", "replcas=3"), "replcas"),
        (("--set", "image.repo=x"), "repo"),
        (("--set", "image.digest=md5:1"), "digest"),
        (("--set", "image.pullPolicy=Sometimes"), "pullPolicy"),
        (("--set", "servingImage.repository="), "repository"),
        (("--set", "pickle=allow"), "pickle"),
        (("--set", "legacyKeras=Refuse"), "legacyKeras"),
        (("--set", "versionMismatch=Allow"), "versionMismatch"),
        (("--set", "workers=0"), "workers"),
        (("--set-string", "workers=8"), "workers"),
        (("--set", "logLevel=debug"), "logLevel"),
        (("--set", "apiQPS=0"), "apiQPS"),
        (("--set", "watchNamespaces=flowers"), "watchNamespaces"),
        (("--set", "watchNamespaces={Flowers}"), "watchNamespaces"),
        (("--set", "watchNamespaces={a,a}"), "watchNamespaces"),
        (("--set", "replicas=-1"), "replicas"),
        (("--set", "crds.keep=true"), "keep"),
        (("--set", "defaults.resources.request.cpu=1"), "request"),
        (("--set", "defaults.podTemplate.labels.a=b"), "labels"),
        (("--set", "serviceAccount.create=false"), "serviceAccount.name is needed"),
        (("--set", "networkPolicy.from[0].podselector.a=b"), "podselector"),
        (("--set", "networkPolicy.alwaysFrom[0].ipBlock.range=10.0.0.0/8"), "cidr"),
        (("--set", "monitoring.interval=often"), "interval"),
        (("--set", "podMonitor.enabled=true"), "podMonitor.enabled needs the Prometheus operator"),
        (("--set", "prometheusRule.enabled=true"), "prometheusRule.enabled needs the Prometheus operator"),
        (("--kube-version", "1.29.9"), "1.30"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_values_that_cannot_work_are_refused(options: tuple[str, ...], says: str) -> None:
    """A misspelt or impossible value stops the install and is named."""
    assert says in refusal(*options)


def test_a_digest_wins_over_a_tag() -> None:
    """Who pins bytes gets these bytes."""
    digest = "sha256:" + "a" * 64
    found = objects("--set", f"image.digest={digest},image.tag=v1,servingImage.digest={digest}")

    (container,) = only("Deployment", found)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"modelmoor/operator@{digest}"
    assert f'servingImage: "modelmoor/serving@{digest}"' in only("ConfigMap", found)["data"]["settings.yaml"]


def test_a_pod_monitor_scrapes_the_port_that_serves_metrics() -> None:
    """Where the Prometheus operator is, /metrics is found by the port's name."""
    found = objects("--set", "podMonitor.enabled=true", "--api-versions", "monitoring.coreos.com/v1")

    (endpoint,) = only("PodMonitor", found)["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("health", "/metrics")


def test_alerts_name_what_the_operator_counts() -> None:
    """Every series of an alert is one that the operator exposes, and every alert says what to do."""
    exposed = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in prometheus_client.REGISTRY.collect()
    }
    found = objects("--set", "prometheusRule.enabled=true", "--api-versions", "monitoring.coreos.com/v1")
    (group,) = only("PrometheusRule", found)["spec"]["groups"]

    assert metrics.QUEUE_DEPTH._name in exposed
    for rule in group["rules"]:
        series = set(re.findall(r"\b(?:controller_runtime|workqueue|leader_election|modelmoor)_[a-z_]+", rule["expr"]))
        assert series
        assert series <= exposed, f"{rule['alert']}: {series - exposed}"
        assert "kubectl" in rule["annotations"]["description"]
        for label in re.findall(r"\$labels\.([a-z]+)", str(rule["annotations"])):
            assert label in rule["expr"]


@pytest.mark.parametrize("release", ["modelmoor", "m", "a" * 53])
def test_every_name_and_label_is_one_that_kubernetes_takes(release: str) -> None:
    """The longest release name that Helm allows still makes valid names and labels."""
    for each in objects(release=release, chart=CHART):
        metadata = each["metadata"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", metadata["name"]), metadata["name"]
        for value in metadata.get("labels", {}).values():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value), value


def test_pod_labels_cannot_take_pods_out_of_the_selector() -> None:
    """A label of a person never overrides the ones that select the pods."""
    deployment = only("Deployment", objects("--set", "podLabels.app\\.kubernetes\\.io/component=x,podLabels.team=y"))
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["team"] == "y"


def test_versions_are_one() -> None:
    """Chart, application, vendored chart and Python distribution carry one version."""
    chart, vendored = (yaml.safe_load((path / "Chart.yaml").read_text(encoding="utf-8")) for path in (CHART, CRD_CHART))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (dependency,) = chart["dependencies"]

    assert {
        project["version"],
        chart["version"],
        chart["appVersion"],
        vendored["version"],
        vendored["appVersion"],
        dependency["version"],
    } == {project["version"]}
    for image in yaml.safe_load(chart["annotations"]["artifacthub.io/images"]):
        assert image["image"].endswith(f":{project['version']}")


def leaves(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value with its dotted key; an empty map is a value."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def test_the_readme_lists_every_value_with_its_default() -> None:
    """The table of values is complete and current."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]*)` \|", (CHART / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [(key, json.dumps(value)) for key, value in leaves("", values)]
