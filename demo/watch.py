"""From `kubectl apply` to Ready: each change of a model's summary is told, and a failure with all that helps."""

import time

from demo.cluster import NAMESPACE, Cluster
from demo.console import Console, DemoError
from demo.models import Trained

from modelmoor_operator.cli.status import told

_POLL_SECONDS = 1.0
_QUIET_SECONDS = 15.0


def deploy(console: Console, cluster: Cluster, trained: list[Trained], timeout: float) -> None:
    """Applies the manifests and waits until all are Ready; raises DemoError with summary, hint, events and logs."""
    console.step("Four ModelDeployments by kubectl apply")
    for model in trained:
        console.detail(cluster.kubectl("-n", NAMESPACE, "apply", "-f", model.manifest).strip())
    console.step("Until all are Ready")
    deadline = time.monotonic() + timeout
    waiting, shown, said = {model.name for model in trained}, dict[str, str](), time.monotonic()
    while waiting:
        states = {item["metadata"]["name"]: told(item) for item in cluster.objects("modeldeployments")}
        for name in sorted(waiting):
            state = states.get(name, {})
            summary = state.get("summary") or "the operator has not seen it yet"
            if shown.get(name) != summary:
                shown[name], said = summary, time.monotonic()
                console.detail(f"{name}: {summary}")
                if state.get("hint"):
                    console.detail(f"  hint: {state['hint']}")
            if state.get("ready") == "True":
                waiting.discard(name)
            elif state.get("stalled"):
                raise DemoError(_story(cluster, name, f"{name} is stalled", state))
        if waiting and time.monotonic() > deadline:
            name = min(waiting)
            raise DemoError(_story(cluster, name, f"{name} is not Ready after {timeout:.0f} s", states.get(name, {})))
        if waiting and time.monotonic() - said > _QUIET_SECONDS:
            said = time.monotonic()
            console.detail(f"waiting for {', '.join(sorted(waiting))}; {deadline - said:.0f} s of patience left")
        if waiting:
            time.sleep(_POLL_SECONDS)


def _story(cluster: Cluster, name: str, head: str, state: dict[str, object]) -> str:
    """All that a person would look up next."""
    lines = [f"{head}: {state.get('summary', '')}", f"hint: {state.get('hint', '')}", "", "events:"]
    lines += [
        f"  {event['type']} {event['reason']} {event['involvedObject']['kind']}/{event['involvedObject']['name']}:"
        f" {event['message']}"
        for event in cluster.objects("events", "--sort-by=.lastTimestamp")
        if event["involvedObject"]["name"].startswith(name)
    ][-15:]
    for pod in cluster.objects("pods", "-l", f"modelmoor.dev/name={name}"):
        pod_name = pod["metadata"]["name"]
        lines += ["", f"log of pod {pod_name}:"]
        for container in ("fetch", "model"):
            try:
                log = cluster.kubectl("-n", NAMESPACE, "logs", pod_name, "-c", container, "--tail=30")
            except DemoError:  # a container that has not begun has no log
                continue
            lines += [f"  {container}: {line}" for line in log.splitlines()]
    return "\n".join(lines)
