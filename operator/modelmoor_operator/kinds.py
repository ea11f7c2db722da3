"""The kinds that the operator touches and the verbs it uses: the chart's rules are tested against this table."""

from dataclasses import dataclass

MANAGED_LABELS = {"app.kubernetes.io/managed-by": "modelmoor"}
"""On every child of a model; the lists and watches of children select by them."""
MANAGED_BY = ",".join(f"{label}={value}" for label, value in MANAGED_LABELS.items())
"""The same as a selector."""

_CHILD_VERBS = ("get", "list", "watch", "create", "patch", "delete")


@dataclass(frozen=True)
class Kind:
    """One kind of the Kubernetes API: how it is named in a path, in a manifest and in a rule."""

    group: str
    version: str
    plural: str
    kind: str
    verbs: tuple[str, ...]
    subresources: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection (no `name`), an object or a subresource; no `namespace` means all of them."""
        parts = [self.root]
        if namespace is not None:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)

    def is_kind_of(self, obj: dict[str, object]) -> bool:
        return obj.get("kind") == self.kind and obj.get("apiVersion") == self.api_version


MODEL_DEPLOYMENT = Kind(
    "modelmoor.dev",
    "v1alpha1",
    "modeldeployments",
    "ModelDeployment",
    ("get", "list", "watch"),
    # `finalizers` is asked for by OwnerReferencesPermissionEnforcement when a child blocks the owner's deletion
    (("status", ("patch",)), ("finalizers", ("update",))),
)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", _CHILD_VERBS)
SERVICE = Kind("", "v1", "services", "Service", _CHILD_VERBS)
AUTOSCALER = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", _CHILD_VERBS)
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", _CHILD_VERBS)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", _CHILD_VERBS)
REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision", _CHILD_VERBS)
POD = Kind("", "v1", "pods", "Pod", ("list",))
CORE_EVENT = Kind("", "v1", "events", "Event", ("list",))
EVENT = Kind("events.k8s.io", "v1", "events", "Event", ("create", "patch"))
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease", ("list",))
"""The Leases of other releases: asked for by one that serves every namespace, and by no other."""
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease", ("get", "watch", "create", "update"))

SCALED_OBJECT = Kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", _CHILD_VERBS)
SERVICE_MONITOR = Kind("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor", _CHILD_VERBS)
PROMETHEUS_RULE = Kind("monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule", _CHILD_VERBS)

OPTIONAL_KINDS: tuple[Kind, ...] = (SCALED_OBJECT, SERVICE_MONITOR, PROMETHEUS_RULE)
"""Kinds that a cluster may not serve (`served.py` asks once, at the start); children among them stand here, too."""

CHILD_KINDS = (DEPLOYMENT, SERVICE, AUTOSCALER, DISRUPTION_BUDGET, NETWORK_POLICY, REVISION, *OPTIONAL_KINDS)
WATCHED_KINDS = (MODEL_DEPLOYMENT, *CHILD_KINDS)
ALL_KINDS = (*WATCHED_KINDS, POD, CORE_EVENT, EVENT, LEASE)

_BY_NAME = {(kind.api_version, kind.kind): kind for kind in ALL_KINDS}


def kind_of(obj: dict[str, object]) -> Kind:
    """The table's entry for a manifest; KeyError for a kind that the operator never writes."""
    return _BY_NAME[(str(obj["apiVersion"]), str(obj["kind"]))]
