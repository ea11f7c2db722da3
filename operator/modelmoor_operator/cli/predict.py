"""`moor predict`: one request to a model, by its name through the API server, or by its URL."""

import argparse
import json
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from modelmoor_operator.cli import request
from modelmoor_operator.cli.api_server import Answer, ApiServer
from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.kinds import SERVICE


def predict(options: argparse.Namespace) -> int:
    """Prints the model's answer as JSON; 1 with the server's own sentence where it answers with an error."""
    body = request.read(options.data)
    if "://" in options.target:
        answer = _to_url(options.target, options.model, body)
    else:
        answer = _to_service(options.target, body, options)
    content = answer.json()
    if answer.status >= 400:
        raise CommandError(f"HTTP {answer.status}: {_sentence(content, answer.status)}")
    if content is None:
        raise CommandError(f"HTTP {answer.status}, but no JSON: is a Modelmoor server behind this address?")
    json.dump(content, sys.stdout, indent=2 if sys.stdout.isatty() else None)
    print()
    return 0


def _to_service(name: str, body: Any, options: argparse.Namespace) -> Answer:
    """Through the API server's proxy to the model's Service: no port is opened and no Ingress is needed."""
    server = ApiServer(options.context)
    namespace = options.namespace or server.namespace
    answer = server.send("POST", SERVICE.path(namespace, f"{name}:http", "proxy") + request.path(name, body), body=body)
    if answer.status == 404 and _is_kubernetes(answer):
        raise CommandError(f"no model {name} in namespace {namespace}: `moor status` lists what is there")
    if answer.status == 503 and _is_kubernetes(answer):
        raise CommandError(f"no pod of {name} is ready: `moor status {name}` says why")
    return answer


def _is_kubernetes(answer: Answer) -> bool:
    content = answer.json()
    return isinstance(content, dict) and content.get("kind") == "Status"


def _to_url(url: str, model: str | None, body: Any) -> Answer:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise CommandError(f"{parts.scheme}:// is not a scheme to predict by: give http://HOST:PORT")
    if parts.path.strip("/"):
        return _post(url, body)
    base = url.rstrip("/")
    return _post(base + request.path(model or _only_model(base), body), body)


def _only_model(base: str) -> str:
    content = _send(urllib.request.Request(f"{base}/v1/models")).json()  # noqa: S310 - http and https alone, see above
    names = content.get("models") if isinstance(content, dict) else None
    if isinstance(names, list) and len(names) == 1:
        return str(names[0])
    served = f"it serves {', '.join(map(str, names))}" if isinstance(names, list) and names else "it does not say which"
    raise CommandError(f"name the model with --model: {served}")


def _post(url: str, body: Any) -> Answer:
    headers = {"Content-Type": "application/json"}
    return _send(urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST"))  # noqa: S310


def _send(prepared: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(prepared, timeout=35) as response:  # noqa: S310 - http and https alone, see above
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read())
    except OSError as error:
        cause = getattr(error, "reason", error)
        raise CommandError(f"nobody answers at {prepared.host} ({type(cause).__name__}): is the server up?") from error


def _sentence(content: Any, status: int) -> str:
    """`error` of the model's server, or `message` of Kubernetes' own."""
    if isinstance(content, dict):
        return str(content.get("error") or content.get("message") or "no reason was given")
    return "no model by this name or path is served there" if status == 404 else "no reason was given"
