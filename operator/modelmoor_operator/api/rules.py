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


def at_least(shortest: str) -> dict[str, Any]:
    """A rule for a duration's lower bound."""
    return rules((f"duration(self) >= duration('{shortest}')", f"must be at least {shortest}"))
