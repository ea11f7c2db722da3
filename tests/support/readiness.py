"""How many pods of a model were ready at every moment, as the API server told it event by event."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.machine import tool
from support.namespace import Namespace
from support.waiting import eventually

_EVENT = (
    '{.type} {.object.metadata.name} {.object.status.conditions[?(@.type=="Ready")].status}'
    ' {.object.metadata.deletionTimestamp}{"\\n"}'
)


@contextmanager
def fewest_ready(namespace: Namespace, name: str) -> Iterator[Callable[[], int]]:
    """Watch a model's pods while the block runs; gives the fewest that were ready and staying at one time.

    Counting begins when as many are ready as `replicas` asks for, and ends with the block.
    """
    wanted = int(namespace.model(name)["spec"]["replicas"])
    command = [tool("kubectl"), "--kubeconfig", namespace.cluster.kubeconfig, "-n", namespace.name, "get", "pods"]
    command += ["-l", f"modelmoor.dev/name={name}", "--watch", "--output-watch-events", "-o", f"jsonpath={_EVENT}"]
    ready: set[str] = set()
    counts: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as child:

        def follow() -> None:
            assert child.stdout is not None
            for line in child.stdout:
                kind, pod, *rest = line.split()
                if rest == ["True"] and kind != "DELETED":
                    ready.add(pod)
                else:
                    ready.discard(pod)
                if counts or len(ready) >= wanted:
                    counts.append(len(ready))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            eventually(lambda: counts, seconds=30, why=lambda: f"{wanted} ready pods of {name} were never seen")
            yield lambda: min(counts)
        finally:
            child.terminate()
            thread.join()
