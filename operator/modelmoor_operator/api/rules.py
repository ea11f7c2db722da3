"""Rules that the API server checks at apply, in CEL, each with the message that a person reads when it refuses."""

from typing import Any

URI_SCHEMES = ("file", "pvc", "http", "https", "s3", "gs", "az")
"""The schemes that the server's stores read; others are refused at apply."""


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules as a schema holds them: pairs of rule and message."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


NAME_RULES = rules(
    (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",
        "the name must be a DNS label that starts with a letter (a-z, 0-9, -), of at most 40 characters",
    ),
)
URI_RULES = rules(
    (
        f"self.matches('^({'|'.join(URI_SCHEMES)})://')",
        f"the model's URI must start with one of {', '.join(f'{scheme}://' for scheme in URI_SCHEMES)}",
    ),
    ("!self.endsWith('://')", "the model's URI names no artifact: something must follow ://"),
    ("!self.startsWith('file://') || self.startsWith('file:///')", "a file URI needs an absolute path: file:///path"),
    (
        "!self.startsWith('pvc://') || self.matches('^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/.*)?$')",
        "a pvc URI is pvc://CLAIM/PATH, with the name of a PersistentVolumeClaim of the same namespace",
    ),
    (
        "!self.matches('^[a-z0-9]*://[^/?]*@')",
        "the URI must not hold a user or password: put them into a Secret and name it in model.credentials.secretRef",
    ),
    ("!self.matches('[[:cntrl:]]')", "the URI must not hold control characters, a line break included"),
)
AUTOSCALING_RULES = rules(
    ("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas", "minReplicas must not exceed maxReplicas"),
    (
        "!has(self.engine) || self.engine != 'KEDA' || (has(self.triggers) && self.triggers.size() > 0)",
        "engine KEDA needs triggers: by what KEDA is to scale",
    ),
    (
        "!has(self.triggers) || self.triggers.size() == 0 || (has(self.engine) && self.engine == 'KEDA')",
        "triggers belong to engine KEDA; engine HPA, the default, takes metrics",
    ),
    (
        "!has(self.metrics) || self.metrics.size() == 0 || !has(self.engine) || self.engine == 'HPA'",
        "metrics belong to engine HPA; engine KEDA takes triggers",
    ),
    (
        "!has(self.cpuUtilization) || !has(self.engine) || self.engine == 'HPA'",
        "cpuUtilization belongs to engine HPA; for engine KEDA give a trigger of type cpu",
    ),
)
RESOURCE_RULES = rules(
    (
        "!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) ||"
        " quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
        "a request must not exceed the limit of the same resource",
    ),
)
ENV_RULES = rules(
    ("!self.name.startsWith('MODELMOOR_')", "names that start with MODELMOOR_ belong to the operator"),
    ("!(has(self.value) && has(self.valueFrom))", "give value or valueFrom, not both"),
)
VALUE_FROM_RULES = rules(
    (
        "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].filter(given, given).size() == 1",
        "give exactly one of secretKeyRef, configMapKeyRef and fieldRef",
    ),
)
ROLLOUT_RULES = rules(
    (
        "!has(self.maxSurge) || !(string(self.maxSurge) in ['0', '0%']) ||"
        " (has(self.maxUnavailable) && !(string(self.maxUnavailable) in ['0', '0%']))",
        "maxSurge and maxUnavailable cannot both be 0 (maxUnavailable is 0 by default): no pod could be replaced",
    ),
)
POD_METADATA_RULES = rules(
    (
        "!has(self.labels) || self.labels.all(key, !key.startsWith('modelmoor.dev/'))",
        "labels that start with modelmoor.dev/ belong to the operator",
    ),
    (
        "!has(self.annotations) || self.annotations.all(key, !key.startsWith('modelmoor.dev/'))",
        "annotations that start with modelmoor.dev/ belong to the operator",
    ),
)
PEER_RULES = rules(
    (
        "has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
        "give ipBlock alone, or podSelector, namespaceSelector or both",
    ),
)
EXPRESSION_RULES = rules(
    (
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
        "In and NotIn need values; Exists and DoesNotExist take none",
    ),
)


def at_least(shortest: str) -> dict[str, Any]:
    """A rule for a duration's lower bound."""
    return rules((f"duration(self) >= duration('{shortest}')", f"must be at least {shortest}"))


def between(shortest: str, longest: str) -> dict[str, Any]:
    """A rule for both bounds of a duration; the upper one is allowed, too."""
    rule = f"duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')"
    return rules((rule, f"must be at least {shortest} and at most {longest}"))
