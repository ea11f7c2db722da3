"""What may stand in the configuration of a Keras file, told before anything is built from it."""

import re
from collections.abc import Iterator
from typing import Any

from modelmoor_server.runtimes import versions

_SIZES = ("units", "filters", "output_dim", "num_heads", "key_dim", "value_dim")
_ROOM = 1 << 20  # a tiny file may still state sizes up to this


def check(config: Any, size: int) -> None:
    """Refuse code and sizes that the file's own weights cannot fill. size: of the file, in bytes.

    Raises ModelError (UnsafeArtifact).
    """
    for item in items(config):
        if item.get("class_name") in ("Lambda", "__lambda__"):
            raise versions.unsafe(
                "The model holds a Lambda layer, which is code inside the artifact.",
                "Replace the Lambda layer by layers of Keras, such as Rescaling or keras.ops in the model's graph.",
            )
        for key in _SIZES:
            value = item.get(key)
            if isinstance(value, int) and not 0 <= value <= max(size, _ROOM):
                raise versions.unsafe(
                    f"A layer states {key} of {value}, more than the whole file could hold weights for.",
                    "Save the model again with its weights.",
                )


def refuse_foreign_classes(config: Any) -> None:
    """Refuse classes that are not Keras's own; Keras 3 would not find them. Raises ModelError (LoadFailed)."""
    for item in items(config):
        module, name = item.get("module"), item.get("class_name")
        own = module is None or module == "builtins" or re.fullmatch(r"keras(_nlp|_hub|_cv)?(\..*)?", str(module))
        registered = str(item.get("registered_name") or "")
        if isinstance(name, str) and (not own or ">" in registered):
            shown = f" {name}" if re.fullmatch(r"[A-Za-z_]\w{0,63}", name) else ""
            raise versions.load_failed(
                f"The model needs the class{shown}, whose code is not in this image.",
                "Export the model as a SavedModel (model.export), or use an image of your own that holds the code.",
            )


def names(config: Any) -> frozenset[str]:
    """The names of layers that the artifact states."""
    stated: set[str] = set()
    for item in items(config):
        for owner in (item, item.get("config")):
            if isinstance(owner, dict) and isinstance(owner.get("name"), str):
                stated.add(owner["name"])
    return frozenset(stated)


def items(config: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object of a configuration, inner models and wrapped layers included."""
    # loaded with compile=False, the outermost compile_config is never looked at; those of inner models are
    stack = (
        [{key: value for key, value in config.items() if key != "compile_config"}] if isinstance(config, dict) else []
    )
    while stack:
        value: Any = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
