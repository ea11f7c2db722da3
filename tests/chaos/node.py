"""Plays a node that runs every pod at once: without one, no model would ever be Ready."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import urllib3

from chaos.api import Api, Refusal
from modelmoor_operator.kinds import POD
from support.kubelet import serving

_PAUSE = 0.15


@contextmanager
def node(api: Api) -> Iterator[None]:
    """While the block runs, every pod of every namespace serves as soon as it exists."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(_PAUSE):
            with suppress(Refusal, urllib3.exceptions.HTTPError, OSError):  # the API server may be away on purpose
                for pod in api.pods():
                    if (pod.get("status") or {}).get("phase") == "Running" or "deletionTimestamp" in pod["metadata"]:
                        continue
                    with suppress(Refusal):
                        where = pod["metadata"]
                        told = {"status": serving()}
                        api.patch(POD, where["namespace"], where["name"], told, subresource="status")

    thread = threading.Thread(target=run, name="node", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
