"""TensorFlow Serving's REST API, asked as its own tutorial asks it: requests and JSON. It has no client of its own."""

import base64
import json
import math
from typing import Any

import requests
from cases import case, main


def ask(facts: dict[str, Any], path: str, body: Any = None) -> Any:
    url = f"{facts['url']}/v1/models/{path}"
    headers = {"content-type": "application/json"}
    response = (
        requests.get(url, timeout=60)
        if body is None
        else requests.post(url, json.dumps(body), headers=headers, timeout=60)
    )
    response.raise_for_status()
    return json.loads(response.text)


@case
def status(facts: dict[str, Any]) -> Any:
    return {path: ask(facts, path)["model_version_status"] for path in ("net", "net/versions/1")}


@case
def rows(facts: dict[str, Any]) -> Any:
    body = {"signature_name": "serving_default", "instances": facts["net"]["images"]}
    return {path: ask(facts, f"{path}:predict", body) for path in ("net", "net/versions/1")}


@case
def columns(facts: dict[str, Any]) -> Any:
    return ask(facts, "net:predict", {"inputs": facts["net"]["images"]})


@case
def named_columns(facts: dict[str, Any]) -> Any:
    return ask(facts, "rents:predict", {"inputs": facts["rents"]["columns"]})


@case
def metadata(facts: dict[str, Any]) -> Any:
    return ask(facts, "net/metadata")


@case
def unknown_label(facts: dict[str, Any]) -> Any:
    ask(facts, "net/labels/nightly:predict", {"instances": facts["net"]["images"]})


@case
def unknown_signature(facts: dict[str, Any]) -> Any:
    ask(facts, "net:predict", {"signature_name": "weather", "instances": facts["net"]["images"]})


@case
def base64_text(facts: dict[str, Any]) -> Any:
    texts = [{"b64": base64.b64encode(text.encode()).decode()} for text in facts["text"]["texts"]]
    return ask(facts, "text:predict", {"instances": texts})


@case
def not_a_number(facts: dict[str, Any]) -> Any:
    records = facts["rents"]["records"]
    return ask(facts, "rents:predict", {"instances": [{**records[2], "built": math.nan}]})


@case
def unknown_version(facts: dict[str, Any]) -> Any:
    ask(facts, "net/versions/7:predict", {"instances": facts["net"]["images"]})


@case
def both_forms(facts: dict[str, Any]) -> Any:
    ask(facts, "net:predict", {"inputs": facts["net"]["images"], "instances": facts["net"]["images"]})


main()
