"""A person's pod template is merged as `kubectl apply` would: kubectl itself, which needs no cluster here, is asked."""

import json
import subprocess
from typing import Any

import pytest

from modelmoor_operator.api.v1alpha1 import ModelDeployment
from modelmoor_operator.desired import overlay, revision
from modelmoor_operator.settings import Defaults, Settings
from support.machine import environment, tool

Object = dict[str, Any]

KEYED = ("name", "mountPath", "containerPort", "ip", "topologyKey", "devicePath")
PATCHES: dict[str, Object] = {
    "labels and annotations": {"metadata": {"labels": {"team": "vision"}, "annotations": {"note": "x"}}},
    "an annotation of ours taken away": {
        "metadata": {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": None}}
    },
    "a map beside ours": {"spec": {"securityContext": {"fsGroup": 1000, "runAsNonRoot": None}}},
    "a sidecar and a second init container": {
        "spec": {
            "containers": [{"name": "proxy", "image": "proxy:1", "ports": [{"containerPort": 9000}]}],
            "initContainers": [{"name": "warm", "image": "warm:1"}],
        }
    },
    "more of container model": {
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "env": [{"name": "TZ", "value": "UTC"}, {"name": "MORE", "value": "1"}],
                    "envFrom": [{"configMapRef": {"name": "lab"}}],
                    "volumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
                    "securityContext": {"runAsUser": 1001},
                }
            ],
            "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        }
    },
    "a constraint of ours changed, another added": {
        "spec": {
            "topologySpreadConstraints": [
                {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
                {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"},
            ]
        }
    },
    "lists without a key": {"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}},
    "names and hosts": {
        "spec": {
            "imagePullSecrets": [{"name": "regcred"}],
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["store"]}],
            "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        }
    },
    "placement": {
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "priorityClassName": "serving",
        }
    },
}


def model(**spec: Any) -> ModelDeployment:
    secret = {"uri": "s3://models/iris/1/", "credentials": {"secretRef": {"name": "s3"}}}
    metadata = {"name": "iris", "namespace": "lab", "uid": "1"}
    return ModelDeployment.parse({"metadata": metadata, "spec": {"model": secret} | spec})


def by_kubectl(template: Object, patch: Object) -> Object:
    """The template of a Deployment after `kubectl patch --type=strategic`."""
    metadata = {"name": "iris", "namespace": "lab"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}
    command = [tool("kubectl"), "patch", "--local", "-f", "-", "--type=strategic", "-o", "json", "-p"]
    ran = subprocess.run(
        [*command, json.dumps({"spec": {"template": patch}})],
        input=json.dumps(body),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    patched: Object = json.loads(ran.stdout)["spec"]["template"]
    return patched


def ordered(value: Any) -> Any:
    """The same with keyed lists sorted: in which order kubectl merges them means nothing; and without empty fields."""
    if isinstance(value, dict):
        return {key: ordered(item) for key, item in value.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        keys = [key for key in KEYED if value and all(isinstance(item, dict) and key in item for item in value)]
        items = [ordered(item) for item in value]
        return sorted(items, key=lambda item: str(item[keys[0]])) if keys else items
    return value


@pytest.mark.parametrize("name", PATCHES)
def test_an_overlay_merges_as_kubectl_does(name: str) -> None:
    """Keyed lists merge by their key, others are replaced, null takes away; nothing else of ours is lost."""
    template = revision.render(model(), Settings(), "serving:1").template

    ours = overlay.merged(template, PATCHES[name], whose="spec.podTemplate")

    assert ordered(ours) == ordered(by_kubectl(template, PATCHES[name]))
    assert ordered(ours) != ordered(template)


def test_a_handler_or_source_of_another_kind_takes_the_place_of_ours() -> None:
    """Here we part from kubectl, which would merge both into what the API server refuses: exec beside sleep."""
    template = revision.render(model(), Settings(), "serving:1").template
    handler = {"preStop": {"exec": {"command": ["true"]}}}
    patch = {"spec": {"containers": [{"name": "model", "lifecycle": handler}]}}

    ours = overlay.merged(template, patch, whose="spec.podTemplate")

    assert ours["spec"]["containers"][0]["lifecycle"] == handler
    assert set(by_kubectl(template, patch)["spec"]["containers"][0]["lifecycle"]["preStop"]) == {"exec", "sleep"}


def test_the_platforms_template_lies_below_the_persons() -> None:
    """defaults.podTemplate reaches every model; its own podTemplate wins where both speak, and keeps the rest."""
    platform = {
        "metadata": {"labels": {"cost": "shared"}},
        "spec": {"nodeSelector": {"pool": "models", "disk": "any"}, "imagePullSecrets": [{"name": "platform"}]},
    }
    settings = Settings(defaults=Defaults(pod_template=platform, resources={"requests": {"cpu": "250m"}}))
    own = {"metadata": {"labels": {"cost": "vision"}}, "spec": {"nodeSelector": {"disk": "ssd"}}}

    bare = revision.render(model(), settings, "serving:1").template
    mine = revision.render(model(podTemplate=own, resources={"limits": {"cpu": "2"}}), settings, "serving:1").template

    assert bare["metadata"]["labels"]["cost"] == "shared"
    assert bare["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "250m"}}
    assert mine["metadata"]["labels"]["cost"] == "vision"
    assert mine["spec"]["nodeSelector"] == {"pool": "models", "disk": "ssd"}
    assert mine["spec"]["imagePullSecrets"] == [{"name": "platform"}]
    assert mine["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "2"}}
