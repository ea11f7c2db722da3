"""`moor run`: fetches and serves a manifest's model as local processes, told what the operator would tell a pod."""

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from modelmoor_operator.cli import local, manifests, render
from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.cli.local import Places

_POLL_SECONDS = 0.1
_STOP_SECONDS = 45.0  # the server's own patience with what is in flight, and a little more


def run(options: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM; 1 with the server's own reason and hint where it does not come up."""
    found = manifests.read(options.file)
    model = render.parsed(found.one(options.name), options.namespace)
    name = model.metadata.name
    template = _template(render.rendered(model, render.load_settings(options)))
    uris = _pairs(options.set_uri, "--set-uri")
    if unknown := uris.keys() - {document.name for document in found.models}:
        raise CommandError(f"--set-uri {min(unknown)}=...: the files hold no ModelDeployment of this name")
    claims = {claim: Path(folder) for claim, folder in _pairs(options.claim, "--claim").items()}
    server = _server()
    port = _port(options.port)
    with _stop_on_signals(), tempfile.TemporaryDirectory(prefix=f"moor-{name}-") as work:
        places = Places(Path(work), port, uris.get(name), options.credentials, claims)
        fetch, serve = local.environments(template, places, found)
        _lay_credentials(fetch, local.secret_files(template, found), options.credentials)
        _say(f"{name}: fetching {_shown(fetch['MODELMOOR_MODEL_URI'])}")
        _fetch([*server, "fetch"], fetch, places)
        _say(f"{name}: loading")
        return _serve([*server, "serve"], serve, places, name)


def _template(objects: list[dict[str, Any]]) -> Mapping[str, Any]:
    template: Mapping[str, Any] = next(item for item in objects if item["kind"] == "Deployment")["spec"]["template"]
    return template


def _fetch(command: list[str], told: Mapping[str, str], places: Places) -> None:
    child = _start(command, told)
    try:
        code = child.wait()
    except BaseException:
        _end(child)
        raise
    if code:
        raise CommandError(_failure(places, code))


def _serve(command: list[str], told: Mapping[str, str], places: Places, name: str) -> int:
    base = f"http://127.0.0.1:{places.port}"
    places.termination_log.unlink(missing_ok=True)
    child = _start(command, told)
    try:
        while not _answers(f"{base}/v2/health/ready"):
            if child.poll() is not None:
                raise CommandError(_failure(places, child.returncode))
            time.sleep(_POLL_SECONDS)
        _say(f"{name}: ready at {base}; Ctrl-C ends it")
        _say(f"  curl {base}/v2/models/{name}")
        _say(f"  moor predict {base} -d @request.json")
        code = child.wait()
    except KeyboardInterrupt:
        _say(f"{name}: stopping")
        code = _end(child)
    except BaseException:
        _end(child)
        raise
    if code not in (0, -signal.SIGTERM):
        raise CommandError(_failure(places, code))
    return 0


def _start(command: list[str], told: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A session of its own: Ctrl-C reaches only us, and the server is told once, by SIGTERM, as in a cluster."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MODELMOOR_")}
    return subprocess.Popen(command, env=inherited | dict(told), start_new_session=True)


def _end(child: subprocess.Popen[bytes]) -> int:
    child.terminate()
    try:
        return child.wait(_STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        return child.wait()


def _failure(places: Places, code: int) -> str:
    """The server's own words from its termination message; its exit code where it left none."""
    try:
        told = json.loads(places.termination_log.read_text(encoding="utf-8"))
        return f"{told['reason']}: {told['message']}\n  hint: {told['hint']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"modelmoor-server ended with exit code {code}; its last lines are above"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own http address
            return bool(response.status == 200)
    except OSError:
        return False


def _lay_credentials(fetch: Mapping[str, str], files: dict[str, bytes] | None, given: Path | None) -> None:
    """Writes the Secret's keys as files that only this user reads; they are removed with the work folder."""
    folder = fetch.get("MODELMOOR_CREDENTIALS_DIR")
    if folder is None or given is not None:
        return
    if files is None:
        raise CommandError(
            "the store's Secret is not in the files: add its manifest with another -f, give a folder with one file"
            " per key with --credentials DIR, or a model of this machine with --set-uri NAME=PATH"
        )
    Path(folder).mkdir(mode=0o700)
    for key, value in files.items():
        target = Path(folder, Path(key).name)
        target.touch(mode=0o600)
        target.write_bytes(value)


def _server() -> list[str]:
    """The installed command beside this interpreter or on PATH, else the package of this interpreter."""
    beside = Path(sys.executable).with_name("modelmoor-server")
    command = str(beside) if beside.exists() else shutil.which("modelmoor-server")
    if command:
        return [command]
    if importlib.util.find_spec("modelmoor_server"):
        return [sys.executable, "-m", "modelmoor_server"]
    raise CommandError("modelmoor-server is not installed here: pip install './serving-image[sklearn,tensorflow]'")


def _port(wanted: int) -> int:
    """The wanted port if it is free; 0 asks for any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise CommandError(
                f"port {wanted} is taken: choose another with --port, or any free one by --port 0"
            ) from error
        return int(probe.getsockname()[1])


def _pairs(given: list[str], option: str) -> dict[str, str]:
    pairs = dict(item.split("=", 1) for item in given if "=" in item)
    if len(pairs) < len(given):
        raise CommandError(f"{option} takes NAME=VALUE, each name once")
    return pairs


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as Ctrl-C does: the server is stopped, the work folder removed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(uri: str) -> str:
    return uri.partition("?")[0]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
