"""Files become objects: every YAML document of every -f, ModelDeployments apart from what stands beside them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelmoor_operator.api.v1alpha1 import KIND
from modelmoor_operator.cli.errors import CommandError

Body = dict[str, Any]

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Document:
    """One object and the file it stands in."""

    file: str
    body: Body

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        metadata = self.body.get("metadata")
        return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


@dataclass(frozen=True)
class Manifests:
    """What the files hold: the ModelDeployments, and the objects (Secrets, ConfigMaps, ...) beside them."""

    models: tuple[Document, ...]
    others: tuple[Document, ...]

    def one(self, name: str | None) -> Document:
        """The ModelDeployment of this name, or the only one; raises CommandError that lists what there is."""
        names = ", ".join(model.name or "(no name)" for model in self.models)
        if not self.models:
            raise CommandError(f"the files hold no {KIND}: give one with -f")
        if name is not None:
            found = [model for model in self.models if model.name == name]
            if not found:
                raise CommandError(f"no {KIND} is named {name}; the files hold {names}")
            return found[0]
        if len(self.models) > 1:
            raise CommandError(f"the files hold {len(self.models)} ModelDeployments ({names}): choose one with --name")
        return self.models[0]

    def other(self, kind: str, name: str) -> Body | None:
        """The object of this kind and name beside the ModelDeployments, if the files hold it."""
        return next((other.body for other in self.others if (other.kind, other.name) == (kind, name)), None)


def read(paths: Sequence[str]) -> Manifests:
    """Reads files, folders (their YAML and JSON files) and `-` (standard input); raises CommandError."""
    documents = [document for path in paths for file in _files(path) for document in _documents(file)]
    return Manifests(
        models=tuple(document for document in documents if document.kind == KIND),
        others=tuple(document for document in documents if document.kind != KIND),
    )


def _files(path: str) -> list[str]:
    if path == "-" or not Path(path).is_dir():
        return [path]
    found = sorted(str(file) for file in Path(path).iterdir() if file.suffix in SUFFIXES and _is_manifest(file))
    if not found:
        raise CommandError(f"{path} holds no manifests ({', '.join(SUFFIXES)} files that name a kind)")
    return found


def _is_manifest(file: Path) -> bool:
    """A folder's request.json is no manifest; a broken file counts, so that its error is told."""
    try:
        return any("kind" in (content or {}) for content in yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, OSError, UnicodeDecodeError, TypeError):
        return file.suffix != ".json"


def _documents(file: str) -> list[Document]:
    shown = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        contents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise CommandError(f"cannot read {shown}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{shown} is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise CommandError(f"{shown}{where}: not YAML: {problem}") from error
    documents = []
    for content in contents:
        if content is None:  # an empty document, such as after a last `---`
            continue
        if not isinstance(content, dict):
            raise CommandError(f"{shown}: a manifest is a mapping of fields, and this document is none")
        documents.extend(_unfolded(shown, content))
    return documents


def _unfolded(file: str, content: Body) -> list[Document]:
    """A `kind: List`, as kubectl prints it, stands for its items."""
    if content.get("kind") == "List" and isinstance(content.get("items"), list):
        return [Document(file, item) for item in content["items"] if isinstance(item, dict)]
    return [Document(file, content)]
