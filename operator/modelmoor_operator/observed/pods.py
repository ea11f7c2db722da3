"""What the pods say: container states, termination messages and events become findings. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelmoor_operator.api.reasons import Phase, Reason
from modelmoor_operator.desired import names
from modelmoor_operator.observed.finding import Finding, sentence

Body = Mapping[str, Any]

_PULL_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_STARTING = ("ContainerCreating", "PodInitializing", "")


def facts(pods: Iterable[Body]) -> dict[str, Mapping[str, Any]]:
    """What `fetch` told of the artifact, by pod: digest, size, format, framework."""
    found = {}
    for pod in pods:
        for status in _statuses(pod, "initContainerStatuses"):
            if status.get("name") == "fetch":
                told = _told(_ended(status))
                if told.get("ok") is True:
                    found[_name(pod)] = told
    return found


def problems(pods: Iterable[Body], events: Sequence[Body] = ()) -> list[Finding]:
    """One finding for each pod that does not serve, failures first, in the order of the pods' names."""
    failing = [pod for pod in sorted(pods, key=_name) if not is_ready(pod) and not _leaving(pod)]
    findings = [_failure(pod, events) or _progress(pod) for pod in failing]
    return sorted(findings, key=lambda finding: (not finding.stalled, not finding.failed))


def is_ready(pod: Body) -> bool:
    return _condition(pod, "Ready").get("status") == "True"


def _failure(pod: Body, events: Sequence[Body]) -> Finding | None:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in _statuses(pod, kind):
            found = _container_failure(pod, status)
            if found:
                return found
    return _unscheduled(pod) or _evicted(pod) or _not_mounted(pod, events)


def _container_failure(pod: Body, status: Body) -> Finding | None:
    container = str(status.get("name"))
    waiting = (status.get("state") or {}).get("waiting") or {}
    why, text = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    where = f"Pod {_name(pod)}"
    if why in _PULL_REASONS:
        image = status.get("image") or "its image"
        return _finding(pod, Reason.ImagePullFailed, f"{where} cannot pull {image}: {text or why}")
    if why == "CreateContainerConfigError":
        reason = Reason.SecretNotFound if "secret" in text.lower() else Reason.InvalidPodTemplate
        return _finding(pod, reason, f"{where} cannot create container {container}: {text}")
    ended = _ended(status)
    if ended and ended.get("exitCode") != 0 and not status.get("ready"):
        return _ended_badly(pod, container, ended, int(status.get("restartCount") or 0))
    if why not in _STARTING and why != "CrashLoopBackOff":
        return _finding(pod, Reason.CrashLoop, f"{where} cannot run container {container}: {why} {text}")
    return None


def _ended_badly(pod: Body, container: str, ended: Body, restarts: int) -> Finding:
    where = f"Pod {_name(pod)}"
    told = _told(ended)
    if told.get("ok") is False:
        return _told_failure(pod, told)
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, container)
        at = f" of {limit}" if limit else ""
        phase = Phase.Fetch if container == "fetch" else Phase.Load
        return _finding(pod, Reason.OutOfMemory, f"{where}: container {container} exceeded its memory limit{at}", phase)
    times = f", {restarts} restarts so far" if restarts else ""
    code = ended.get("exitCode")
    phase = Phase.Fetch if container == "fetch" else Phase.Serve
    message = f"{where}: container {container} ended with exit code {code} and no reason{times}"
    return _finding(pod, Reason.CrashLoop, message, phase)


def _told_failure(pod: Body, told: Body) -> Finding:
    """The server's own reason, out of its termination message; a word that we do not know becomes LoadFailed."""
    word = str(told.get("reason"))
    reason = Reason[word] if word in Reason.__members__ else Reason.LoadFailed
    phase = Phase(told["phase"]) if told.get("phase") in Phase.__members__ else reason.phase
    found = _finding(pod, reason, f"Pod {_name(pod)}: {told.get('message') or word}", phase)
    hint = str(told.get("hint") or "")
    return Finding(found.reason, found.message, hint or found.hint, found.pod, found.phase)


def _unscheduled(pod: Body) -> Finding | None:
    condition = _condition(pod, "PodScheduled")
    if condition.get("status") == "False":
        why = str(condition.get("message") or condition.get("reason"))
        if "persistentvolumeclaim" in why.lower():  # missing or unbound: no other node would help
            return _finding(pod, Reason.VolumeNotMounted, f"Pod {_name(pod)} waits for a volume: {why}")
        return _finding(pod, Reason.Unschedulable, f"Pod {_name(pod)} fits no node: {why}")
    return None


def _evicted(pod: Body) -> Finding | None:
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return None
    text = f"{status.get('reason') or 'Failed'}: {status.get('message') or 'no message'}"
    reason = Reason.OutOfMemory if "memory" in text.lower() else Reason.CrashLoop
    return _finding(pod, reason, f"Pod {_name(pod)} was ended by its node: {text}")


def _not_mounted(pod: Body, events: Sequence[Body]) -> Finding | None:
    """A missing Secret or claim leaves no trace in the pod's status: only an event tells."""
    for event in reversed(events):
        involved = event.get("involvedObject") or {}
        if involved.get("name") == _name(pod) and event.get("reason") in ("FailedMount", "FailedAttachVolume"):
            text = str(event.get("message") or "")
            missing = "secret" in text.lower() and "not found" in text.lower()
            reason = Reason.SecretNotFound if missing else Reason.VolumeNotMounted
            return _finding(pod, reason, f"Pod {_name(pod)} waits for a volume: {text}")
    return None


def _progress(pod: Body) -> Finding:
    name = _name(pod)
    fetched = False
    for status in _statuses(pod, "initContainerStatuses"):
        if status.get("name") == "fetch":
            if "running" in (status.get("state") or {}):
                return Finding(Reason.Fetching, f"Pod {name} fetches the model.", pod=name, phase=Phase.Fetch)
            fetched = _ended(status).get("exitCode") == 0
    for status in _statuses(pod, "containerStatuses"):
        if status.get("name") == "model" and "running" in (status.get("state") or {}):
            return Finding(Reason.Loading, f"Pod {name} loads the model.", pod=name, phase=Phase.Load)
    step = "starts the server" if fetched else "is starting"
    return Finding(Reason.PodsStarting, f"Pod {name} {step}.", pod=name, phase=Phase.Schedule)


def _finding(pod: Body, reason: Reason, text: str, phase: Phase | None = None) -> Finding:
    metadata = pod["metadata"]
    hint = reason.hint_for(
        {"namespace": metadata.get("namespace", ""), "name": _owner(pod), "pod": _name(pod)},
    )
    return Finding(reason, sentence(text), hint, _name(pod), phase or reason.phase)


def _told(ended: Body) -> Body:
    """The server's structured message of a container that ended; empty where there is none."""
    try:
        told = json.loads(ended.get("message") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}


def _ended(status: Body) -> Body:
    for state in ("state", "lastState"):
        ended = (status.get(state) or {}).get("terminated")
        if isinstance(ended, Mapping):
            return ended
    return {}


def _memory_limit(pod: Body, container: str) -> str:
    spec = pod.get("spec") or {}
    for item in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        if item.get("name") == container:
            return str(((item.get("resources") or {}).get("limits") or {}).get("memory") or "")
    return ""


def _statuses(pod: Body, kind: str) -> list[Body]:
    return list((pod.get("status") or {}).get(kind) or [])


def _condition(pod: Body, kind: str) -> Body:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item.get("type") == kind), {})


def _leaving(pod: Body) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _name(pod: Body) -> str:
    return str(pod["metadata"]["name"])


def _owner(pod: Body) -> str:
    return str((pod["metadata"].get("labels") or {}).get(names.NAME_LABEL) or "")
