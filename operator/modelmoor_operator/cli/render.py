"""`moor render` and `moor validate`: what a manifest becomes, and what is wrong with it, without a cluster."""

import argparse
import json
import sys
from typing import Any

import yaml

from modelmoor_operator import settings
from modelmoor_operator.api.v1alpha1 import KIND, ModelDeployment
from modelmoor_operator.cli import api_server, manifests
from modelmoor_operator.cli.errors import CommandError
from modelmoor_operator.cli.manifests import Document
from modelmoor_operator.cli.problems import Problem, problems, with_namespace
from modelmoor_operator.desired import desired
from modelmoor_operator.errors import Stalled

Body = dict[str, Any]


def render(options: argparse.Namespace) -> int:
    """Prints every object that the operator would write for each ModelDeployment of the files."""
    found = manifests.read(options.file)
    if not found.models:
        raise CommandError(f"the files hold no {KIND}: nothing to render")
    installed = load_settings(options)
    objects = [item for model in found.models for item in rendered(parsed(model, options.namespace), installed)]
    if options.output == "json":
        json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, sys.stdout, indent=2)
        print()
    else:
        yaml.dump_all(objects, sys.stdout, Dumper=_Plain, sort_keys=False, explicit_start=True, width=120)
    return 0


def rendered(model: ModelDeployment, installed: settings.Settings) -> list[Body]:
    """The objects without owner references: these name a uid that only the API server gives."""
    try:
        objects = desired(model, installed)
    except Stalled as error:
        raise CommandError(f"{model.metadata.name}: {error}. {error.hint}") from error
    return [
        {**item, "metadata": {k: v for k, v in item["metadata"].items() if k != "ownerReferences"}} for item in objects
    ]


def parsed(document: Document, namespace: str) -> ModelDeployment:
    """The document as a type; raises CommandError that lists every problem with its field."""
    found = problems(document.body)
    if found:
        lines = "\n".join(f"  {problem}" for problem in found)
        raise CommandError(f"{document.file}: {document.name or KIND} is not valid:\n{lines}")
    return ModelDeployment.parse(with_namespace(document.body, namespace))


def load_settings(options: argparse.Namespace) -> settings.Settings:
    """The operator's settings from --settings, with --image over them; the defaults of the chart where absent."""
    try:
        installed = settings.load(options.settings)
    except settings.SettingsError as error:
        raise CommandError(str(error)) from error
    return installed.model_copy(update={"serving_image": options.image}) if options.image else installed


def validate(options: argparse.Namespace) -> int:
    """Says of each ModelDeployment whether it is valid, with the path of every field at fault; 1 if one is not."""
    found = manifests.read(options.file)
    if not found.models:
        raise CommandError(f"the files hold no {KIND}: nothing to validate")
    results = [(model, problems(model.body)) for model in found.models]
    if options.server:
        results = [(model, here or _refused(model, options)) for model, here in results]
    if options.output == "json":
        json.dump([_as_json(model, here) for model, here in results], sys.stdout, indent=2)
        print()
    else:
        for model, here in results:
            checked = "valid; the API server agrees" if options.server else "valid"
            print(f"{model.file}: {model.name or KIND}: {checked if not here else 'not valid'}")
            for problem in here:
                print(f"  {problem}")
        if not options.server:
            note = "Rules between fields are the API server's to check: add --server to ask it (nothing is written)."
            print(note, file=sys.stderr)
    return 1 if any(here for _, here in results) else 0


def _refused(model: Document, options: argparse.Namespace) -> list[Problem]:
    body = with_namespace(model.body, options.namespace)
    return [Problem("", sentence) for sentence in api_server.refusals(body, options.context)]


def _as_json(model: Document, found: list[Problem]) -> Body:
    listed = [{"path": problem.path, "message": problem.message} for problem in found]
    return {"file": model.file, "name": model.name, "valid": not found, "problems": listed}


class _Plain(yaml.SafeDumper):
    """YAML without anchors: a person reads it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
