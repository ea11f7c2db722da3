"""The policy AllowListed: pickles are read by a reader of our own that knows an exact list of names.

names.py     the list: (module, name) pairs, reviewed in Git, for one scikit-learn version
stream.py    bytes behind any compressor, within a budget
arrays.py    numpy's dtypes and arrays, made by us from checked parts
reader.py    the opcodes; only builders of ours are ever called
check.py     after the load: what forged numbers could make compiled code read beyond its arrays

docs/decisions/0005-pickle-policy.md says what this holds against, and what it does not.
"""

from pathlib import Path
from typing import Any

from modelmoor_server.errors import cause_name
from modelmoor_server.runtimes import versions
from modelmoor_server.runtimes.sklearn.listed.check import check
from modelmoor_server.runtimes.sklearn.listed.reader import NotListedError, Reader
from modelmoor_server.runtimes.sklearn.listed.stream import Stream

_HINT = "Ask the platform team for the policy Allow, or build the model from the listed parts alone."


def load(path: Path) -> Any:
    """The object in a joblib or pickle file made of listed names alone. Raises ModelError (UnsafeArtifact)."""
    try:
        with Stream(path) as stream:
            model = Reader(stream).load()
        check(model)
    except NotListedError as error:
        raise versions.unsafe(f"{path.name}: {error}.", _HINT) from None
    except Exception as error:  # noqa: BLE001 - whatever a forged file raises in our reader, it is refused
        raise versions.unsafe(f"{path.name} is no pickle as the list allows ({cause_name(error)}).", _HINT) from None
    return model
