"""Specs that the API server must take or refuse, one table for every checker of the schema and its CEL rules."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

DIGEST = "sha256:" + "0123456789abcdef" * 4
MODEL = {"uri": "s3://models/iris/1/"}


@dataclass(frozen=True)
class Case:
    """One object. `says` is part of the refusal that a person reads; it is empty where the object is valid."""

    id: str
    spec: dict[str, Any]
    says: str = ""
    name: str = "iris"
    metadata: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The object as it is sent."""
        return {
            "apiVersion": "modelmoor.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": self.name, **self.metadata},
            "spec": deepcopy(self.spec),
        }


def _uri(uri: str) -> dict[str, Any]:
    return {"model": {"uri": uri}}


def _with(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, **fields}


def _env(*variables: dict[str, Any]) -> dict[str, Any]:
    return _with(runtime={"env": list(variables)})


def _selecting(expression: dict[str, Any]) -> dict[str, Any]:
    return _with(access={"from": [{"podSelector": {"matchExpressions": [expression]}}]})


KEDA = {"engine": "KEDA", "maxReplicas": 2, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC"}}]}

_SCHEMES = "must start with one of file://, pvc://, http://, https://, s3://, gs://, az://"
_NAME = "the name must be a DNS label that starts with a letter"
_ONE_SOURCE = "give exactly one of secretKeyRef, configMapKeyRef and fieldRef"
_PEER = "give ipBlock alone, or podSelector, namespaceSelector or both"
_VALUES = "In and NotIn need values; Exists and DoesNotExist take none"
_PROMISE = "must be at least 1ms and at most 10s"
_BOTH_ZERO = "maxSurge and maxUnavailable cannot both be 0"

VALID = (
    Case("only the uri", _with()),
    Case("the longest name", _with(), name="a" * 40),
    Case("a file in the image", _uri("file:///models/iris.joblib")),
    Case("a whole claim", _uri("pvc://claim")),
    Case("a file on a claim", _uri("pvc://models.v1/iris/model.keras")),
    Case("a signed web address", _uri("https://store.example:8443/iris.joblib?X-Sig=a%2Fb&e=me@example")),
    Case("an at sign in a key", _uri("gs://models/team@home/iris/")),
    Case("azure", _uri("az://container/iris.keras")),
    Case(
        "a request equal to its limit in another spelling",
        _with(resources={"requests": {"cpu": "1000m"}, "limits": {"cpu": 1}}),
    ),
    Case("a request without a limit", _with(resources={"requests": {"memory": "1.5Gi"}, "limits": {"cpu": "2"}})),
    Case("no pod", _with(replicas=0)),
    Case("replicas beside autoscaling", _with(replicas=3, autoscaling={"maxReplicas": 2})),
    Case("keda by the clock", _with(autoscaling=KEDA | {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}}})),
    Case(
        "metrics and behavior that only an autoscaler understands",
        _with(
            autoscaling={
                "maxReplicas": 2,
                "cpuUtilization": 50,
                "metrics": [{"type": "External", "external": {"metric": {"name": "queued"}, "target": {"value": 1}}}],
                "behavior": {"scaleDown": {"selectPolicy": "Disabled", "tolerance": "0.05"}},
            }
        ),
    ),
    Case("no surge where pods may be missing", _with(rollout={"maxSurge": 0, "maxUnavailable": 1})),
    Case("no caller but the platform's", _with(access={"from": []})),
    Case(
        "callers of every kind",
        _with(
            access={
                "from": [
                    {"podSelector": {}},
                    {"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"app": "b"}}},
                    {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
                    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["c", ""]}]}},
                    {"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]}},
                ]
            }
        ),
    ),
    Case("a promise of latency", _with(observability={"slo": {"latencyP95": "10s"}})),
    Case("a promise of availability", _with(observability={"enabled": False, "slo": {"availability": "99.9999%"}})),
    Case("left behind", _with(deletionPolicy="Orphan")),
    Case("percentages", _with(rollout={"maxSurge": "100%", "maxUnavailable": "0%"})),
    Case(
        "an injected label of somebody else",
        _with(podTemplate={"metadata": {"labels": {"sidecar.istio.io/inject": "false"}}}),
    ),
    Case(
        "everything",
        {
            "model": {
                "uri": "s3://models/iris/1/",
                "format": "sklearn",
                "digest": DIGEST,
                "credentials": {"secretRef": {"name": "s3"}},
            },
            "replicas": 2,
            "autoscaling": {"engine": "HPA", "minReplicas": 2, "maxReplicas": 2, "cpuUtilization": 80},
            "runtime": {
                "image": "registry.example:5000/serving@sha256:" + "0" * 64,
                "timeout": "1m30s500ms",
                "env": [
                    {"name": "TZ", "value": "UTC"},
                    {"name": "EMPTY", "value": ""},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
                    {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
                ],
            },
            "resources": {
                "requests": {"cpu": "0.5", "memory": "1Gi"},
                "limits": {"memory": "2Gi", "example.com/gpu": 1},
            },
            "storage": {"sizeLimit": "5Gi", "fetch": {"resources": {"limits": {"memory": "256Mi"}}}},
            "serviceAccountName": "iris",
            "podTemplate": {
                "metadata": {"labels": {"team": "flowers"}, "annotations": {"note": "by hand"}},
                "spec": {"nodeSelector": {"disk": "ssd"}, "imagePullSecrets": [{"name": "regcred"}]},
            },
            "rollout": {"maxSurge": "25%", "maxUnavailable": 0, "progressDeadline": "10s"},
            "suspend": False,
            "revisionHistoryLimit": 0,
        },
    ),
)

INVALID = (
    Case("no model", {}, "spec.model: Required value"),
    Case("no uri", {"model": {"format": "keras"}}, "spec.model.uri: Required value"),
    Case("a misspelt field", _with(replcas=2), 'unknown field "spec.replcas"'),
    Case("an empty uri", _uri(""), "spec.model.uri"),
    Case("a path", _uri("/models/iris.joblib"), _SCHEMES),
    Case("a scheme that nobody serves", _uri("hdfs://nn/models/iris"), _SCHEMES),
    Case("a scheme in capitals", _uri("S3://models/iris"), _SCHEMES),
    Case("a scheme alone", _uri("s3://"), "something must follow ://"),
    Case("a relative file", _uri("file://models/iris"), "a file URI needs an absolute path"),
    Case("a claim in capitals", _uri("pvc://Claim/iris"), "a pvc URI is pvc://CLAIM/PATH"),
    Case("a password in the uri", _uri("https://me:secret@store.example/iris"), "must not hold a user or password"),
    Case("a user in the uri", _uri("s3://key@models/iris"), "must not hold a user or password"),
    Case("a line break in the uri", _uri("s3://models/iris\nx"), "must not hold control characters"),
    Case("a uri too long", _uri("s3://" + "a" * 2048), "spec.model.uri: Too long"),
    Case("a digest of another kind", {"model": MODEL | {"digest": "md5:" + "0" * 32}}, "spec.model.digest"),
    Case("a digest in capitals", {"model": MODEL | {"digest": DIGEST.upper()}}, "spec.model.digest"),
    Case("a format in capitals", {"model": MODEL | {"format": "Keras"}}, "spec.model.format"),
    Case("a secret without a name", {"model": MODEL | {"credentials": {"secretRef": {}}}}, "secretRef.name: Required"),
    Case("a secret with a path", {"model": MODEL | {"credentials": {"secretRef": {"name": "a/b"}}}}, "secretRef.name"),
    Case("a name too long", _with(), _NAME, name="a" * 41),
    Case("a name that starts with a digit", _with(), _NAME, name="1iris"),
    Case("a name with a dot", _with(), _NAME, name="iris.v1"),
    Case("fewer than no pods", _with(replicas=-1), "should be greater than or equal to 0"),
    Case("too many pods", _with(replicas=1001), "should be less than or equal to 1000"),
    Case("half a pod", _with(replicas=1.5), "spec.replicas"),
    Case("autoscaling without a most", _with(autoscaling={"minReplicas": 1}), "spec.autoscaling.maxReplicas: Required"),
    Case(
        "a least above the most", _with(autoscaling={"minReplicas": 3, "maxReplicas": 2}), "minReplicas must not exceed"
    ),
    Case(
        "autoscaling from zero", _with(autoscaling={"minReplicas": 0, "maxReplicas": 2}), "spec.autoscaling.minReplicas"
    ),
    Case(
        "an unknown engine", _with(autoscaling={"engine": "keda", "maxReplicas": 2}), 'supported values: "HPA", "KEDA"'
    ),
    Case(
        "keda without a trigger", _with(autoscaling={"engine": "KEDA", "maxReplicas": 2}), "engine KEDA needs triggers"
    ),
    Case(
        "keda with no trigger",
        _with(autoscaling={"engine": "KEDA", "maxReplicas": 2, "triggers": []}),
        "engine KEDA needs triggers",
    ),
    Case(
        "triggers without keda",
        _with(autoscaling={"maxReplicas": 2, "triggers": [{"type": "cron"}]}),
        "triggers belong to engine KEDA",
    ),
    Case(
        "metrics for keda",
        _with(autoscaling=KEDA | {"metrics": [{"type": "Pods"}]}),
        "metrics belong to engine HPA",
    ),
    Case("cpu for keda", _with(autoscaling=KEDA | {"cpuUtilization": 70}), "cpuUtilization belongs to engine HPA"),
    Case(
        "a trigger without a type",
        _with(autoscaling=KEDA | {"triggers": [{"metadata": {}}]}),
        "spec.autoscaling.triggers[0].type: Required",
    ),
    Case(
        "too many metrics",
        _with(autoscaling={"maxReplicas": 2, "metrics": [{"type": "Pods"}] * 17}),
        "must have at most 16 items",
    ),
    Case("behavior as text", _with(autoscaling={"maxReplicas": 2, "behavior": "calm"}), "spec.autoscaling.behavior"),
    Case(
        "no use of the cpu",
        _with(autoscaling={"maxReplicas": 2, "cpuUtilization": 0}),
        "spec.autoscaling.cpuUtilization",
    ),
    Case("an image with a space", _with(runtime={"image": "a b"}), "spec.runtime.image"),
    Case("a number as a duration", _with(runtime={"timeout": 30}), "spec.runtime.timeout"),
    Case("a duration without a unit", _with(runtime={"timeout": "30"}), "spec.runtime.timeout"),
    Case("a duration in days", _with(runtime={"timeout": "1d"}), "spec.runtime.timeout"),
    Case("no time for a request", _with(runtime={"timeout": "0s"}), "must be at least 1ms"),
    Case("our own environment", _env({"name": "MODELMOOR_PICKLE", "value": "Allow"}), "belong to the operator"),
    Case("a variable given twice", _env({"name": "A"}, {"name": "A"}), "Duplicate value"),
    Case("a variable with an equals sign", _env({"name": "A=B"}), "spec.runtime.env[0].name"),
    Case(
        "two values",
        _env({"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        "not both",
    ),
    Case("a value from nowhere", _env({"name": "A", "valueFrom": {}}), _ONE_SOURCE),
    Case(
        "a value from two places",
        _env({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}, "secretKeyRef": {"name": "s", "key": "k"}}}),
        _ONE_SOURCE,
    ),
    Case("too many variables", _env(*({"name": f"A{n}"} for n in range(65))), "must have at most 64 items"),
    Case(
        "a request above its limit",
        _with(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}),
        "must not exceed the limit",
    ),
    Case(
        "a fetch request above its limit",
        _with(storage={"fetch": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": 1000000}}}}),
        "must not exceed the limit",
    ),
    Case("a float as a quantity", _with(resources={"requests": {"cpu": 0.5}}), "must be of type integer,string"),
    Case("no quantity", _with(resources={"requests": {"cpu": "half"}}), "spec.resources.requests.cpu"),
    Case("a negative quantity", _with(resources={"requests": {"cpu": "-1"}}), "spec.resources.requests.cpu"),
    Case("a negative integer quantity", _with(storage={"sizeLimit": -1}), "spec.storage.sizeLimit"),
    Case("a service account in capitals", _with(serviceAccountName="Iris"), "spec.serviceAccountName"),
    Case(
        "our own label",
        _with(podTemplate={"metadata": {"labels": {"modelmoor.dev/slot": "b"}}}),
        "labels that start with modelmoor.dev/",
    ),
    Case(
        "our own annotation",
        _with(podTemplate={"metadata": {"annotations": {"modelmoor.dev/x": "b"}}}),
        "annotations that start with modelmoor.dev/",
    ),
    Case("a label too long", _with(podTemplate={"metadata": {"labels": {"team": "a" * 64}}}), "labels.team: Too long"),
    Case("pods as a list", _with(podTemplate={"spec": []}), "spec.podTemplate.spec"),
    Case("no pod may move", _with(rollout={"maxSurge": 0}), _BOTH_ZERO),
    Case("no pod may move, in percent", _with(rollout={"maxSurge": "0%", "maxUnavailable": 0}), _BOTH_ZERO),
    Case("a surge as text", _with(rollout={"maxSurge": "5"}), "spec.rollout.maxSurge"),
    Case("a surge of more than all", _with(rollout={"maxSurge": "101%"}), "spec.rollout.maxSurge"),
    Case("a negative surge", _with(rollout={"maxSurge": -1}), "spec.rollout.maxSurge"),
    Case("a deadline too short", _with(rollout={"progressDeadline": "9s999ms"}), "must be at least 10s"),
    Case("a caller of no kind", _with(access={"from": [{}]}), _PEER),
    Case(
        "a caller of two kinds", _with(access={"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}), _PEER
    ),
    Case("addresses without a range", _with(access={"from": [{"ipBlock": {"cidr": "10.0.0.1"}}]}), "ipBlock.cidr"),
    Case("In without values", _selecting({"key": "app", "operator": "In"}), _VALUES),
    Case("Exists with values", _selecting({"key": "app", "operator": "Exists", "values": ["a"]}), _VALUES),
    Case("an operator that is none", _selecting({"key": "app", "operator": "Equals", "values": ["a"]}), "operator"),
    Case("a label that is none", _selecting({"key": "-app", "operator": "Exists"}), "matchExpressions[0].key"),
    Case("a value that is none", _with(access={"from": [{"podSelector": {"matchLabels": {"app": "a b"}}}]}), "app"),
    Case("too many callers", _with(access={"from": [{"podSelector": {}}] * 17}), "must have at most 16 items"),
    Case("a promise of all", _with(observability={"slo": {"availability": "100%"}}), "slo.availability"),
    Case("a promise as a number", _with(observability={"slo": {"availability": 99.5}}), "slo.availability"),
    Case("no time to answer", _with(observability={"slo": {"latencyP95": "0s"}}), _PROMISE),
    Case("a promise that is not measured", _with(observability={"slo": {"latencyP95": "10s1ms"}}), _PROMISE),
    Case("a policy that is none", _with(deletionPolicy="Retain"), 'supported values: "Delete", "Orphan"'),
    Case("suspend as text", _with(suspend="yes"), "spec.suspend"),
    Case("a negative history", _with(revisionHistoryLimit=-1), "spec.revisionHistoryLimit"),
)
