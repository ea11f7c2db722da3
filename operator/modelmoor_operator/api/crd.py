"""Types become the CustomResourceDefinition, its copies in the charts and the field reference."""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from modelmoor_operator.api import reference, schema
from modelmoor_operator.api.rules import NAME_RULES
from modelmoor_operator.api.spec import Spec
from modelmoor_operator.api.status import Status
from modelmoor_operator.api.v1alpha1 import (
    CATEGORY,
    GROUP,
    KIND,
    PLURAL,
    SHORT_NAME,
    SINGULAR,
    VERSION,
)

CRD_FILE = f"crds/{GROUP}_{PLURAL}.yaml"
REFERENCE_FILE = "docs/reference/modeldeployment.md"
CRD_CHART = "charts/modelmoor-crds"
VENDORED_CHART = "charts/modelmoor/charts/modelmoor-crds"
TEMPLATE = f"templates/{PLURAL}.yaml"
GENERATED_FOLDERS = ("crds", "charts/modelmoor/charts", f"{CRD_CHART}/templates")
"""Everything in these folders is generated: a file that is not is found by --check, and nothing else is touched."""

_HEADER = "# Generated from operator/modelmoor_operator/api by `make generate`; do not edit.\n"


def _condition(name: str, field: str) -> str:
    return f".status.conditions[?(@.type=='{name}')].{field}"


_COLUMNS = (
    ("Available", "string", _condition("Available", "status"), "Whether requests are answered.", 0),
    ("Ready", "string", _condition("Ready", "status"), "Whether what the spec asks for is served.", 0),
    ("Reason", "string", _condition("Ready", "reason"), "Why Ready stands as it does.", 0),
    ("Replicas", "integer", ".status.readyReplicas", "Pods that answer requests.", 0),
    ("Format", "string", ".status.model.format", "Format of the served model.", 0),
    ("URL", "string", ".status.url", "Where predictions are asked for in the cluster.", 0),
    ("Age", "date", ".metadata.creationTimestamp", "Time since creation.", 0),
    ("Summary", "string", ".status.summary", "The state in one sentence.", 1),
)


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition of ModelDeployment, as it is applied."""
    root = {
        "description": "A model that is served: the operator turns it into Deployments, Services and autoscalers.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema.structural(Spec),
            "status": schema.structural(Status),
        },
        **NAME_RULES,
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "description": text, "priority": priority}
            for name, kind, path, text, priority in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": root},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL,
                "singular": SINGULAR,
                "kind": KIND,
                "listKind": f"{KIND}List",
                "shortNames": [SHORT_NAME],
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def files(root: Path) -> dict[str, str]:
    """Each generated file's path below `root` and its text; the vendored chart is a copy of charts/modelmoor-crds."""
    crd = definition()
    template = _template(crd)
    generated = {
        CRD_FILE: _HEADER + _yaml(crd),
        REFERENCE_FILE: reference.page(crd),
        f"{CRD_CHART}/{TEMPLATE}": template,
        f"{VENDORED_CHART}/{TEMPLATE}": template,
    }
    chart = root / CRD_CHART
    for source in sorted(path for path in chart.rglob("*") if path.is_file()):
        relative = source.relative_to(chart)
        if relative.parts[0] != "templates":
            generated[f"{VENDORED_CHART}/{relative.as_posix()}"] = source.read_text(encoding="utf-8")
    return generated


def differences(root: Path) -> list[str]:
    """What is not as it would be generated, one sentence a file: missing, changed or not generated at all."""
    wanted = files(root)
    found = {
        path.relative_to(root).as_posix()
        for folder in GENERATED_FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file()
    }
    problems = [f"{path} is not generated: move it or delete it" for path in sorted(found - wanted.keys())]
    for path, text in wanted.items():
        target = root / path
        if not target.is_file():
            problems.append(f"{path} is missing: run `make generate`")
        elif target.read_text(encoding="utf-8") != text:
            problems.append(f"{path} is not current: run `make generate` and commit it")
    return problems


def write(root: Path) -> list[str]:
    """Write the files that differ and return their paths."""
    changed = []
    for path, text in files(root).items():
        target = root / path
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _template(crd: dict[str, Any]) -> str:
    kept = crd | {"metadata": crd["metadata"] | {"annotations": {"helm.sh/resource-policy": "keep"}}}
    text = _yaml(kept)
    if "{{" in text:
        raise schema.UnstructuralError("a description holds two opening braces, which Helm would read as a template")
    return f"{_HEADER}{{{{- if .Values.crds.enabled }}}}\n{text}{{{{- end }}}}\n"


def _yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


class _Plain(yaml.SafeDumper):
    """YAML without anchors: a person reviews it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or with --check say which are not current (exit code 1)."""
    parser = argparse.ArgumentParser(prog="python -m modelmoor_operator.api.crd", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is not current")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the repository (default: this folder)")
    options = parser.parse_args(arguments)
    if not (options.root / CRD_CHART / "Chart.yaml").is_file():
        parser.error(f"no {CRD_CHART} here: run it in the root of the repository, or give --root")
    lines = differences(options.root) if options.check else [f"wrote {path}" for path in write(options.root)]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if options.check and lines else 0


if __name__ == "__main__":
    sys.exit(main())
