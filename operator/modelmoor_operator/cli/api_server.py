"""The API server as `moor` meets it: the current kubeconfig, plain JSON, and sentences where it cannot be reached."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.kinds import MODEL_DEPLOYMENT

Body = dict[str, Any]

_TIMEOUT_SECONDS = 35.0  # above the server's own default for one prediction


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status and the bytes."""

    status: int
    content: bytes

    def json(self) -> Any:
        """The content as JSON, or None where it is something else."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None


class ApiServer:
    """Requests to the API server of a kubeconfig; every failure to reach it is a CommandError."""

    def __init__(self, context: str | None = None) -> None:
        from kubernetes import client, config  # a second of imports that `moor render` can do without

        # a refused connection is told once, by us
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        settings = client.Configuration()
        settings.retries = False
        try:
            _, current = config.list_kube_config_contexts()
            config.load_kube_config(context=context, client_configuration=settings)
        except config.ConfigException as error:
            named = f"context {context} cannot be used" if context else "no cluster is configured"
            raise CommandError(f"{named}: set KUBECONFIG, or see `kubectl config get-contexts`") from error
        self.namespace = str((current.get("context") or {}).get("namespace") or "default")
        self._api = client.ApiClient(settings)
        self._failures = (client.ApiException, *_transport_errors())

    def send(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None) -> Answer:
        """One request with a JSON body; an answer of any status is returned, raises CommandError without one."""
        content_type = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        request = self._api.param_serialize(
            method,
            path + ("?" + urlencode(query) if query else ""),
            header_params={"Content-Type": content_type, "Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        verb, url, headers, _, form = request
        try:
            response = self._api.call_api(verb, url, headers, body, form, _request_timeout=_TIMEOUT_SECONDS)
            return Answer(response.status, bytes(response.read()))
        except self._failures as error:
            raise CommandError(
                f"the API server does not answer ({type(error).__name__}): try `kubectl get --raw /readyz`"
            ) from error


def refusals(body: Body, context: str | None) -> list[str]:
    """Why the API server would refuse this object, sentence by sentence; nothing is written (dry run)."""
    server = ApiServer(context)
    metadata = body["metadata"]
    answer = server.send(
        "PATCH",
        MODEL_DEPLOYMENT.path(metadata["namespace"], metadata["name"]),
        query={"dryRun": "All", "fieldManager": "moor", "force": "true", "fieldValidation": "Strict"},
        body=body,
    )
    if answer.status < 400:
        return []
    status = answer.json()
    status = status if isinstance(status, dict) else {}
    if answer.status in (404, 405) and status.get("reason") != "Invalid":
        missing = f"namespace {metadata['namespace']} or the CustomResourceDefinition is missing in this cluster"
        return [f"{missing}: {status.get('message', f'HTTP {answer.status}')}"]
    causes = (status.get("details") or {}).get("causes") or []
    return [f"{cause.get('field', '')}: {cause.get('message', '')}".removeprefix(": ") for cause in causes] or [
        str(status.get("message") or f"the API server answered HTTP {answer.status}")
    ]


def _transport_errors() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return (HTTPError, OSError)
