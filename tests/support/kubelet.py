"""Plays the node's part where there is none: pod statuses as a kubelet writes them."""

import json
from dataclasses import dataclass
from typing import Any

from support.control_plane import ControlPlane
from support.waiting import eventually

DIGEST = "sha256:" + "ab" * 32
NOW = "2026-11-21T12:00:00Z"

Object = dict[str, Any]


def fetched(digest: str = DIGEST, **more: Any) -> str:
    """The termination message of a `fetch` that succeeded."""
    told = {"ok": True, "phase": "Fetch", "digest": digest, "size": 1234, "files": 1}
    return json.dumps(told | {"format": "sklearn", "framework": "scikit-learn 1.7.2"} | more)


def failed(reason: str, message: str, *, phase: str = "Load", hint: str = "Do this.") -> str:
    """The termination message of a container of ours that failed."""
    return json.dumps({"ok": False, "phase": phase, "reason": reason, "message": message, "hint": hint})


def container(name: str, *, ready: bool = False, restarts: int = 0, **state: Object) -> Object:
    """A container status; `state` is one of running, waiting, terminated, or `last` for lastState.terminated."""
    last = {"terminated": state.pop("last")} if "last" in state else {}
    return {
        "name": name,
        "image": "modelmoor/serving:0.1.0",
        "imageID": "",
        "ready": ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last,
    }


def ended(code: int, message: str = "", reason: str = "") -> Object:
    """A terminated state."""
    told = {"message": message} if message else {}
    return {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error"), **told}


def status(*, init: Object, main: Object, phase: str = "Running") -> Object:
    """A pod's status around the states of `fetch` and `model`."""
    ready = "True" if main["ready"] else "False"
    initialized = "True" if init["ready"] else "False"
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": NOW},
        {"type": "Initialized", "status": initialized, "lastTransitionTime": NOW},
        {"type": "Ready", "status": ready, "lastTransitionTime": NOW},
        {"type": "ContainersReady", "status": ready, "lastTransitionTime": NOW},
    ]
    return {
        "phase": phase,
        "conditions": conditions,
        "initContainerStatuses": [init],
        "containerStatuses": [main],
    }


def serving(digest: str = DIGEST) -> Object:
    """A pod that fetched its model and answers."""
    init = container("fetch", ready=True, terminated=ended(0, fetched(digest)))
    return status(init=init, main=container("model", ready=True, running={"startedAt": NOW}))


def load_failure(reason: str, message: str) -> Object:
    """A pod that fetched its model and cannot load it."""
    init = container("fetch", ready=True, terminated=ended(0, fetched()))
    crash = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    main = container("model", restarts=2, waiting=crash, last=ended(1, failed(reason, message)))
    return status(init=init, main=main)


@dataclass(frozen=True)
class Kubelet:
    """A kubelet for the pods of one namespace."""

    plane: ControlPlane
    namespace: str

    def pods(self, revision: str) -> list[str]:
        """Pods of a revision that are not leaving."""
        text = self.plane.kubectl(
            "-n", self.namespace, "get", "pods", "-l", f"modelmoor.dev/revision={revision}", "-o", "json"
        )
        items = json.loads(text)["items"]
        return [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]

    def report(self, revision: str, told: Object, *, count: int = 1) -> list[str]:
        """Wait for `count` pods of a revision and give each of them this status; returns their names."""
        names = eventually(
            lambda: found if len(found := self.pods(revision)) == count else None,
            seconds=20,
            why=lambda: f"pods of {revision}: {self.pods(revision)}",
        )
        for name in names:
            self.plane.patch_status("pod", name, told, namespace=self.namespace)
        return names

    def remove_leaving(self) -> None:
        """Pods that are deleted end at once: there is no container to wait for."""
        self.plane.kubectl(
            "-n", self.namespace, "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false"
        )
