"""A URI becomes a store: a listing and streams of bytes, whatever is behind it.

base.py          the interface and the errors that stores share
local.py         file:// and pvc://
http.py          http:// and https://, on the standard library (docs/decisions/0004-object-stores.md)
objects.py       s3://, gs:// and az://, on obstore
credentials.py   the keys of a store's Secret -> settings of its client
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from modelmoor_server.errors import ModelError, Phase, Reason
from modelmoor_server.stores.base import Entry, Listing, Store, invalid, public_uri
from modelmoor_server.stores.credentials import read_credentials

SCHEMES = ("file", "pvc", "http", "https", "s3", "gs", "az")

__all__ = ["SCHEMES", "Entry", "Listing", "Store", "open_store", "public_uri", "read_credentials"]


def open_store(uri: str, credentials: Mapping[str, str], pvc_dir: Path | None = None) -> Store:
    """The store behind a model URI; nothing is asked over the network yet.

    credentials: the keys of the store's Secret and their texts. pvc_dir: where the claim of a pvc:// URI is mounted.
    Raises ModelError: UnknownScheme, InvalidSettings.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise invalid("The model URI cannot be read.", "Write it as scheme://place/path.") from None
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise ModelError(
            Phase.RESOLVE,
            Reason.UNKNOWN_SCHEME,
            f"No store is known for the scheme {scheme[:32]!r} of the model URI.",
            f"Use one of {', '.join(f'{known}://' for known in SCHEMES)}.",
        )
    if "@" in parts.netloc:
        raise invalid(
            "The model URI holds a user or a password, which every reader of the object would see.",
            "Move them to the Secret of spec.model.credentials.",
        )
    # each client is imported only where it is asked for: obstore alone takes 50 ms
    if scheme in ("file", "pvc"):
        from modelmoor_server.stores.local import claim_store, file_store

        return file_store(uri) if scheme == "file" else claim_store(uri, pvc_dir)
    if scheme in ("http", "https"):
        from modelmoor_server.stores.http import HttpStore

        return HttpStore(uri, credentials)
    from modelmoor_server.stores.objects import object_store

    return object_store(uri, credentials)
