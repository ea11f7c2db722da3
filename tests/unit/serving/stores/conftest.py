"""Real servers for the stores: a web server of the standard library and versitygw, an S3 server."""

import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.machine import tool


@dataclass
class Web:
    """A web server on loopback: `files` by path, `answers` by path for all else, `seen` requests."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    certificate: Path | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server; `cut[path]` is a list of lengths, one a request, after which the connection breaks."""
    yield from _serve()


@pytest.fixture
def other_web() -> Iterator[Web]:
    """A second origin, for redirects."""
    yield from _serve()


@pytest.fixture
def tls_web(tmp_path: Path) -> Iterator[Web]:
    """A web server with a certificate that nobody knows."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not in PATH")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    arguments = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
    ]
    arguments += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *arguments], check=True, capture_output=True)
    yield from _serve(certificate, key)


def _serve(certificate: Path | None = None, key: Path | None = None) -> Iterator[Web]:
    state = Web(certificate=certificate)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.seen.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            status, headers, body = state.answers.get(path, (200, {}, state.files.get(path, b"")))
            if path not in state.answers and path not in state.files:
                status = 404
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Transfer-Encoding" not in headers:
                self.send_header("Content-Length", str(len(body)))
            cuts = state.cut.get(path)
            length = cuts.pop(0) if cuts else None  # before the head is out: a client may go on with another request
            self.end_headers()
            self.wfile.write(body[:length])
            if cuts is not None and path in state.cut and len(body) > 0:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

    class Server(http.server.ThreadingHTTPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            if context is None:
                return super().finish_request(request, client_address)
            try:
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
            except OSError:  # a client that refuses the certificate
                request.close()

        def shutdown_request(self, request: Any) -> None:
            if context is None:
                super().shutdown_request(request)

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class S3:
    """A running S3 server: buckets are folders below `data`."""

    endpoint: str
    data: Path
    key: str = "testkey"
    secret: str = "testsecret"

    @property
    def credentials(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": self.endpoint,
        }


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """versitygw over a folder, with a bucket `models`."""
    program = tool("versitygw")
    root = tmp_path_factory.mktemp("s3")
    (root / "data" / "models").mkdir(parents=True)
    (root / "meta").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = S3(f"http://127.0.0.1:{port}", root / "data")
    arguments = ["--quiet", "--port", f"127.0.0.1:{port}", "--health", "/health"]
    process = subprocess.Popen(
        [program, *arguments, "posix", "--sidecar", str(root / "meta"), str(root / "data")],
        env={**os.environ, "ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"{server.endpoint}/health", process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("versitygw did not start")
