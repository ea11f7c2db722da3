"""Clients inside the cluster: a pod that asks without end and reports, and one that asks when it is told to."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.artifacts import REQUEST
from support.manifests import Object
from support.namespace import Namespace
from support.waiting import eventually

SCRIPT = Path(__file__).with_name("load_client.py")
_REPORT_PORT = 9000


@dataclass(frozen=True)
class Report:
    """What a load client saw so far; `answers` counts the answer bodies."""

    answered: int
    failed: int
    failures: list[str]
    answers: dict[str, int]
    connections: int
    slowest: float
    seconds: float

    @property
    def total(self) -> int:
        return self.answered + self.failed


@dataclass(frozen=True)
class Load:
    """A running load client."""

    namespace: Namespace
    pod: str

    def report(self) -> Report:
        place = f"/api/v1/namespaces/{self.namespace.name}/pods/{self.pod}:{_REPORT_PORT}/proxy/"
        told = json.loads(self.namespace.kubectl("get", "--raw", place))
        return Report(**{**told, "answered": sum(told["answered"].values()), "failed": sum(told["failed"].values())})

    def until(self, total: int, *, seconds: float = 120) -> Report:
        """Wait until so many requests were made."""

        def look() -> Report | None:
            report = self.report()
            return report if report.total >= total else None

        return eventually(look, seconds=seconds, pause=1.0, why=lambda: f"{self.report()}")


@contextmanager
def load(
    namespace: Namespace, model: str, *, kept: int = 0, fresh: int = 0, pause: float = 0.04, name: str = "load"
) -> Iterator[Load]:
    """Ask a model of artifacts.py through its Service, without end, from a pod of its own; its URL is the status's."""
    url = namespace.model(model)["status"]["url"]
    settings = {
        "host": url.removeprefix("http://"),
        "port": 80,
        "path": f"/v1/models/{model}:predict",
        "body": json.dumps(REQUEST),
        "kept": kept,
        "fresh": fresh,
        "pause": pause,
    }
    script = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    namespace.apply(
        script | {"data": {SCRIPT.name: SCRIPT.read_text()}},
        python_pod(
            name,
            namespace.serving_image,
            [f"/script/{SCRIPT.name}", json.dumps(settings)],
            volume={"configMap": {"name": name}},
            ports=[{"containerPort": _REPORT_PORT}],
            readinessProbe={"tcpSocket": {"port": _REPORT_PORT}, "periodSeconds": 1},
        ),
    )
    try:
        namespace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        yield Load(namespace, name)
    finally:
        namespace.kubectl("delete", "pod", name, "--wait=false")


def python_pod(
    name: str, image: str, arguments: list[str], *, volume: Object | None = None, **container: Any
) -> Object:
    """A small pod that runs Python of the serving image, as a `restricted` namespace admits it."""
    mounts = {"volumeMounts": [{"name": "script", "mountPath": "/script", "readOnly": True}]} if volume else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": name,
                    "image": image,
                    "command": ["python3", "-u", *arguments],
                    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    **mounts,
                    **container,
                }
            ],
            "volumes": [{"name": "script", **volume}] if volume else [],
        },
    }


CALL = """
import sys, time, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read() or None, {"Content-Type": "application/json"})
refused_until = time.monotonic() + 5  # kube-proxy learns of a new Service's first pod a moment after everybody else
while True:
    try:
        sys.stdout.write(urllib.request.urlopen(request, timeout=60).read().decode())
        break
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > refused_until:
            raise
        time.sleep(0.1)
"""

INFER = """
import json, sys, grpc
from google.protobuf.json_format import MessageToDict
from modelmoor_server.grpc.messages import message_class
asked, answer = (message_class("inference.ModelInfer" + side) for side in ("Request", "Response"))
with grpc.insecure_channel(sys.argv[1]) as channel:
    infer = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer", asked.SerializeToString, answer.FromString
    )
    told = infer(asked(**json.load(sys.stdin)), timeout=60, wait_for_ready=True)
print(json.dumps(MessageToDict(told, preserving_proto_field_name=True)))
"""


@dataclass(frozen=True)
class Caller:
    """A pod that asks one request at a time, with a client of its own each time."""

    namespace: Namespace
    pod: str

    def ask(self, url: str, body: Any = None) -> Any:
        """The JSON that a URL answers; a POST where there is a body."""
        text = json.dumps(body) if body is not None else ""
        return json.loads(self.namespace.kubectl("exec", "-i", self.pod, "--", "python3", "-c", CALL, url, input=text))

    def infer(self, address: str, request: Mapping[str, Any]) -> Any:
        """The JSON of what ModelInfer answers over gRPC at `host:port`; `request` is that of its message."""
        words = ("exec", "-i", self.pod, "--", "python3", "-c", INFER, address)
        return json.loads(self.namespace.kubectl(*words, input=json.dumps(request)))


@contextmanager
def caller(namespace: Namespace, name: str = "caller") -> Iterator[Caller]:
    """A pod to ask from while the block runs."""
    waits = ["-c", "import time\nwhile True: time.sleep(3600)"]
    namespace.apply(python_pod(name, namespace.serving_image, waits))
    namespace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    yield Caller(namespace, name)
