"""`moor status`: what is served, what is not, and what to do about it, in the cluster of the current kubeconfig."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from modelmoor_operator.cli.api_server import ApiServer
from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.kinds import MODEL_DEPLOYMENT

Body = Mapping[str, Any]

_HEAD = ("NAME", "AVAILABLE", "READY", "REASON", "REPLICAS", "SUMMARY")


def status(options: argparse.Namespace) -> int:
    """Prints a table (or JSON) of all ModelDeployments, or of one; with --exit-code 1 where one is not Ready."""
    server = ApiServer(options.context)
    namespace = None if options.all_namespaces else options.namespace or server.namespace
    found = _listed(server, namespace, options.name)
    if options.output == "json":
        json.dump([told(item) for item in found], sys.stdout, indent=2)
        print()
    elif not found:
        print(f"No ModelDeployments in {f'namespace {namespace}' if namespace else 'any namespace'}.", file=sys.stderr)
    else:
        print("\n".join(table(found, with_namespace=namespace is None)))
    return 1 if options.exit_code and not all(told(item)["ready"] == "True" for item in found) else 0


def _listed(server: ApiServer, namespace: str | None, name: str | None) -> list[Body]:
    if name and namespace is None:
        raise CommandError("a name and --all-namespaces do not go together: name the namespace with -n")
    answer = server.send("GET", MODEL_DEPLOYMENT.path(namespace, name))
    content = answer.json()
    if answer.status == 404:
        if name and (content.get("details") or {}).get("name") == name:
            raise CommandError(f"no ModelDeployment {name} in namespace {namespace}: `moor status -A` lists all")
        raise CommandError("this cluster knows no ModelDeployments: install the chart (docs/quickstart.md)")
    if answer.status >= 400 or not isinstance(content, dict):
        sentence = content.get("message") if isinstance(content, dict) else None
        raise CommandError(f"the API server refuses: {sentence or f'HTTP {answer.status}'}")
    return [content] if name else list(content.get("items") or [])


def told(item: Body) -> dict[str, Any]:
    """What a script reads of one object. `ready` and `available` are "True", "False" or "Unknown", as in conditions.

    A status of an older generation than the spec tells nothing of the spec: ready is then "Unknown".
    """
    metadata, state = item["metadata"], item.get("status") or {}
    conditions = {condition["type"]: condition for condition in state.get("conditions") or []}
    ready = conditions.get("Ready", {})
    seen = state.get("observedGeneration") == metadata.get("generation")
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "available": conditions.get("Available", {}).get("status", "Unknown"),
        "ready": ready.get("status", "Unknown") if seen else "Unknown",
        "reason": ready.get("reason", "") if seen else "NotSeenYet",
        "stalled": conditions.get("Stalled", {}).get("status") == "True",
        "replicas": state.get("replicas", 0),
        "readyReplicas": state.get("readyReplicas", 0),
        "url": state.get("url", ""),
        "summary": state.get("summary", ""),
        "hint": state.get("hint", ""),
        "model": state.get("model", {}),
        "failure": state.get("failure"),
    }


def table(items: Sequence[Body], *, with_namespace: bool) -> list[str]:
    """Lines of a table, a hint below each object that is not ready; nothing is cut, a terminal wraps."""
    facts = [told(item) for item in items]
    rows = [
        (
            f"{fact['namespace']}/{fact['name']}" if with_namespace else fact["name"],
            fact["available"],
            fact["ready"],
            fact["reason"],
            f"{fact['readyReplicas']}/{fact['replicas']}",
            fact["summary"] or "The operator has not seen this object yet.",
        )
        for fact in facts
    ]
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD) - 1)]
    lines = [_line(_HEAD, widths)]
    for row, fact in zip(rows, facts, strict=True):
        lines.append(_line(row, widths))
        if fact["hint"] and fact["ready"] != "True":
            lines.append(f"  hint: {fact['hint']}")
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=True)]
    return "   ".join((*padded, cells[-1])).rstrip()
