"""What a person would look up after a failure in a cluster, gathered before it is cleaned up."""

from support.cluster import OPERATOR_PODS, SYSTEM
from support.control_plane import ControlPlane
from support.manifests import Object, condition
from support.namespace import Namespace

_LINES = 40
_PODS = 6


def explain(namespace: Namespace) -> str:
    """Status, events, pods and logs of a namespace, and the operator's last words."""
    return "\n\n".join(f"--- {head}\n{text}" for head, text in _sections(namespace) if text.strip())


def _sections(namespace: Namespace) -> list[tuple[str, str]]:
    def ask(*arguments: str) -> str:
        return namespace.kubectl(*arguments, check=False)

    status = "{range .items[*]}{.metadata.name}: {.status.summary}\n  {.status.hint}\n  {.status.conditions}\n{end}"
    found = [
        (f"namespace {namespace.name}", ask("get", "mdep,deployments,hpa,pods", "-o", "wide")),
        ("status", ask("get", "mdep", "-o", f"jsonpath={status}")),
        ("events", _tail(ask("get", "events", "--sort-by=.metadata.creationTimestamp"))),
    ]
    pods = sorted(namespace.objects("pods"), key=_ready)
    for pod in pods[:_PODS]:
        name = pod["metadata"]["name"]
        if not _ready(pod):
            found.append((f"pod {name}", ask("describe", "pod", name)))
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            log = _tail(ask("logs", name, "-c", container["name"], f"--tail={_LINES}"))
            found.append((f"log of {name} {container['name']}", log))
    return [*found, ("log of the operator", operator_log(namespace.cluster))]


def _ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def operator_log(cluster: ControlPlane) -> str:
    """The end of what all replicas of the operator said."""
    return _tail(
        cluster.kubectl("-n", SYSTEM, "logs", "-l", OPERATOR_PODS, "--prefix", f"--tail={_LINES}", check=False)
    )


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_LINES:])
