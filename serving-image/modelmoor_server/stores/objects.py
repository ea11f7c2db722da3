"""s3://, gs:// and az:// on obstore: a key is a file, a prefix is a folder; HEAD tells the first, LIST the second."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    GenericError,
    InvalidPathError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from modelmoor_server.errors import ModelError, Phase, Reason, cause_name
from modelmoor_server.stores import credentials as keys
from modelmoor_server.stores.base import (
    CHUNK,
    MAX_FILES,
    Entry,
    Listing,
    access_denied,
    invalid,
    not_found,
    public_uri,
    relative_path,
    unavailable,
)

# `timeout` bounds a whole request, body and all: a day, so that size alone never ends a download
_CLIENT = {"timeout": "24h", "connect_timeout": "5s", "read_timeout": "30s", "user_agent": "modelmoor"}
_RETRY = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
_DENIED = {
    *("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity"),
    *("TokenRefreshRequired", "RequestTimeTooSkewed", "AuthenticationFailed", "AllAccessDisabled"),
    "XAdminUserNotFound",  # versitygw's word for an unknown key, with status 404
}
_ABSENT = {"NoSuchBucket", "NoSuchKey", "NoSuchVersion", "ContainerNotFound", "BlobNotFound"}
_CHECK_KEYS = "Check the keys in the Secret of spec.model.credentials and their rights to read and list the bucket."


def object_store(uri: str, credentials: Mapping[str, str]) -> "ObjectStore":
    """The store of an s3, gs or az URI. Raises ModelError (InvalidSettings)."""
    parts = urlsplit(uri, allow_fragments=False)
    scheme, place = parts.scheme.lower(), public_uri(uri)
    if not parts.netloc or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", parts.netloc):
        raise invalid("The model URI names no bucket.", f"Write it as {scheme}://bucket/path.")
    # a key may hold question marks, and S3 URIs are written as they are, without percent signs for special characters
    key = parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
    configure, kind = {
        "s3": (keys.s3, S3Store),
        "gs": (keys.gs, GCSStore),
        "az": (keys.azure, AzureStore),
    }[scheme]
    config, client = configure(credentials)
    try:
        store = kind(parts.netloc, config=config, client_options={**_CLIENT, **client}, retry_config=_RETRY)
    except (ValueError, GenericError, UnknownConfigurationKeyError) as error:
        raise invalid(
            f"The credentials make no client for {place} ({cause_name(error)}).",
            "Check the certificates (AWS_CA_BUNDLE, PEM text), the endpoint and the account's file in the Secret.",
        ) from None
    return ObjectStore(place, store, key)


class ObjectStore:
    """A key or a prefix of one bucket."""

    def __init__(self, place: str, store: Any, key: str) -> None:
        self.place = place
        self._store = store
        self._key = key.strip("/")
        self._may_be_file = bool(self._key) and not key.endswith("/")
        self._folder = False

    def listing(self) -> Listing:
        denied: ModelError | None = None
        if self._may_be_file:
            try:
                head = obstore.head(self._store, self._key)
                return Listing(False, (Entry(relative_path(self._key.rpartition("/")[2]), head["size"]),))
            except (NotFoundError, FileNotFoundError):
                pass
            except (GenericError, PermissionDeniedError, PermissionError, UnauthenticatedError, ValueError) as error:
                denied = self._told(error)
                if denied.reason is not Reason.ACCESS_DENIED:  # the right to read a folder's files alone is enough
                    raise denied from None
        try:
            entries = tuple(self._below())
            if not entries and not self._is_folder():
                raise denied or not_found(self.place)
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - obstore's errors share no base below Exception; all are told apart
            raise self._told(error) from None
        self._folder = True
        return Listing(True, entries)

    def read(self, entry: Entry) -> Iterator[bytes]:
        key = "/".join(filter(None, (self._key, entry.path))) if self._folder else self._key
        try:
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                yield memoryview(chunk).tobytes()
        except Exception as error:  # noqa: BLE001 - as above
            raise self._told(error) from None

    def _below(self) -> Iterator[Entry]:
        prefix, count = f"{self._key}/" if self._key else "", 0
        for page in obstore.list(self._store, prefix or None):
            for item in page:
                path = item["path"].removeprefix(prefix)
                if not path or (item["size"] == 0 and path.endswith("/")):  # a folder's marker, no file
                    continue
                count += 1
                if count > MAX_FILES:
                    raise ModelError(
                        Phase.FETCH,
                        Reason.TOO_LARGE,
                        f"There are more than {MAX_FILES} files at {self.place}.",
                        "Point the model URI to the model's own folder.",
                    )
                yield Entry(relative_path(path), item["size"])

    def _is_folder(self) -> bool:
        """Whether an empty prefix exists all the same, by a marker: only the listing above it tells."""
        if not self._key:
            return True
        parent = self._key.rpartition("/")[0]
        return self._key in obstore.list_with_delimiter(self._store, parent or None)["common_prefixes"]

    def _told(self, error: Exception) -> ModelError:
        """The client's exception by type; GenericError, its type for the rest, by HTTP status and S3 code.

        Its text is read here and goes nowhere: it quotes URLs with signatures.
        """
        if isinstance(error, ModelError):
            return error
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError)):
            return access_denied(self.place, "The store refuses these credentials", _CHECK_KEYS)
        text = str(error)
        code = re.search(r"<Code>(\w+)</Code>", text)
        word = code.group(1) if code else ""
        status = re.search(r"status code: (\d{3})", text)
        number = int(status.group(1)) if status else 0
        if word in _DENIED or (number in (401, 403) and "169.254." not in text):
            return access_denied(self.place, "The store refuses these credentials", _CHECK_KEYS)
        if isinstance(error, (NotFoundError, FileNotFoundError)) or word in _ABSENT:
            return not_found(self.place)
        if isinstance(error, (ValueError, InvalidPathError)):
            return invalid(
                "The path of the model URI is not one that the store can hold.", "Remove '//' and '..' from it."
            )
        if "169.254." in text or "metadata.google" in text:
            return access_denied(
                self.place,
                "No credentials are given and the pod has no workload identity",
                "Set spec.model.credentials, a serviceAccountName with an identity, or awsAnonymousCredential.",
            )
        if number in (301, 307, 308) or "redirect without LOCATION" in text or word == "AuthorizationHeaderMalformed":
            return invalid(f"The bucket of {self.place} is in another region.", "Set AWS_REGION in the Secret.")
        if 400 <= number < 500 and number not in (404, 408, 425, 429):
            return invalid(f"The store answered HTTP {number} for {self.place}.", "Check bucket, region and endpoint.")
        if number == 404:
            return not_found(self.place)
        return unavailable(
            self.place, f"answered HTTP {number}" if number else f"does not answer ({cause_name(error)})"
        )
