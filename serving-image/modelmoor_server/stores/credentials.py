"""The keys of a store's Secret, as its own clients and as KServe name them, become settings of the store's client."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from modelmoor_server.stores.base import invalid

log = logging.getLogger("modelmoor_server.stores")
MAX_KEY_SIZE = 1 << 20  # bytes; a Secret of Kubernetes holds no more

# key of the Secret -> setting of obstore; where two keys mean one setting, the first one present holds
_S3 = (
    ("AWS_ACCESS_KEY_ID", "access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
    ("AWS_SESSION_TOKEN", "session_token"),
    ("AWS_REGION", "region"),
    ("AWS_DEFAULT_REGION", "region"),
)
_S3_OTHER = (
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "awsAnonymousCredential"),
    *(
        "S3_ENDPOINT",
        "S3_USE_HTTPS",
        "S3_VERIFY_SSL",
        "S3_USER_VIRTUAL_BUCKET",
        "S3_CONNECT_TIMEOUT",
        "S3_READ_TIMEOUT",
    ),
)
_GS = ("GOOGLE_APPLICATION_CREDENTIALS", "gcloud-application-credentials.json")
_AZURE = (
    ("AZURE_STORAGE_ACCOUNT_NAME", "account_name"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "account_key"),
    ("AZURE_STORAGE_ACCESS_KEY", "account_key"),
    ("AZURE_STORAGE_SAS_TOKEN", "sas_key"),
    ("AZURE_CLIENT_ID", "client_id"),
    ("AZ_CLIENT_ID", "client_id"),
    ("AZURE_CLIENT_SECRET", "client_secret"),
    ("AZ_CLIENT_SECRET", "client_secret"),
    ("AZURE_TENANT_ID", "tenant_id"),
    ("AZ_TENANT_ID", "tenant_id"),
)


def read_credentials(folder: Path | None) -> dict[str, str]:
    """A mounted Secret as a mapping: one file a key. An absent folder is an empty mapping.

    Raises ModelError (InvalidSettings) where a key cannot be read as text.
    """
    if folder is None or not folder.is_dir():
        return {}
    texts: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            texts[path.name] = path.read_bytes()[:MAX_KEY_SIZE].decode().strip()
        except (OSError, UnicodeDecodeError):
            raise invalid(
                f"The key {path.name} of the credentials cannot be read as text.",
                "Write the Secret's keys as plain text (stringData).",
            ) from None
    return texts


def warn_unknown(credentials: Mapping[str, str], known: Iterable[str]) -> None:
    """Name the keys that mean nothing to this store in the log; a typing error shows there."""
    unknown = sorted(set(credentials) - set(known))
    if unknown:
        log.warning("UnknownCredentialKeys", extra={"fields": {"keys": unknown}})


def s3(credentials: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of an S3 store and of its HTTP client. Raises ModelError (InvalidSettings)."""
    warn_unknown(credentials, [key for key, _ in _S3] + list(_S3_OTHER))
    config: dict[str, Any] = _mapped(credentials, _S3)
    client: dict[str, Any] = {}
    endpoint = next((credentials[k] for k in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if credentials.get(k)), None)
    if endpoint is None and credentials.get("S3_ENDPOINT"):
        plain = _flag(credentials, "S3_USE_HTTPS", True) is False
        endpoint = credentials["S3_ENDPOINT"]
        endpoint = endpoint if "://" in endpoint else f"http{'' if plain else 's'}://{endpoint}"
    if endpoint is not None:
        config["endpoint"] = _endpoint(endpoint)
        client["allow_http"] = endpoint.lower().startswith("http://")
        config.setdefault("region", "us-east-1")  # what S3-compatible servers sign with unless told otherwise
    if _flag(credentials, "awsAnonymousCredential", False):
        config["skip_signature"] = True
    if _flag(credentials, "S3_USER_VIRTUAL_BUCKET", False):
        config["virtual_hosted_style_request"] = True
    if not _flag(credentials, "S3_VERIFY_SSL", True):
        client["allow_invalid_certificates"] = True
        log.warning("CertificatesNotVerified", extra={"fields": {"key": "S3_VERIFY_SSL"}})
    if bundle := credentials.get("AWS_CA_BUNDLE"):
        client["root_certificate"] = _bundle(bundle)
    for key, setting in (("S3_CONNECT_TIMEOUT", "connect_timeout"), ("S3_READ_TIMEOUT", "read_timeout")):
        if credentials.get(key):
            client[setting] = f"{_seconds(credentials, key)}s"
    if ("access_key_id" in config) != ("secret_access_key" in config):
        raise invalid(
            "The credentials hold only one half of the S3 key pair.",
            "Give both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither.",
        )
    return config, client


def gs(credentials: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of a Google store and of its HTTP client; the key's value is the text of the account's file."""
    warn_unknown(credentials, _GS)
    account = next((credentials[key] for key in _GS if credentials.get(key)), None)
    if account is None:
        return {}, {}
    if not account.startswith("{"):
        raise invalid(
            "GOOGLE_APPLICATION_CREDENTIALS is not the text of a service account's file.",
            "Put the JSON text of the file in the Secret, not its path.",
        )
    return {"service_account_key": account}, {"allow_http": '"gcs_base_url":"http://' in account.replace(" ", "")}


def azure(credentials: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of an Azure store and of its HTTP client."""
    warn_unknown(credentials, [*(key for key, _ in _AZURE), "AZURE_STORAGE_ENDPOINT"])
    config: dict[str, Any] = _mapped(credentials, _AZURE)
    if "account_name" not in config:
        raise invalid("The name of the storage account is missing.", "Add AZURE_STORAGE_ACCOUNT_NAME to the Secret.")
    endpoint = credentials.get("AZURE_STORAGE_ENDPOINT")
    if not endpoint:
        return config, {}
    return {**config, "endpoint": _endpoint(endpoint)}, {"allow_http": endpoint.lower().startswith("http://")}


def _mapped(credentials: Mapping[str, str], names: Iterable[tuple[str, str]]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for key, setting in names:
        if credentials.get(key):
            config.setdefault(setting, credentials[key])
    return config


def _endpoint(text: str) -> str:
    """An endpoint that the client can build requests from; a broken one would make it panic."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or "@" in text or not text.isascii() or any(c.isspace() or c in '<>"{}|\\^`' for c in text):
        raise invalid("The store's endpoint is no URL.", "Write it as http://host:port or https://host.")
    return text.rstrip("/")


def _bundle(text: str) -> str:
    if "-----BEGIN" in text:
        return text
    try:
        return Path(text).read_text()
    except (OSError, ValueError):
        raise invalid(
            "AWS_CA_BUNDLE holds neither certificates nor the path of a file with them.",
            "Put the PEM text of the authority's certificate in the Secret.",
        ) from None


def _flag(credentials: Mapping[str, str], key: str, default: bool) -> bool:
    text = credentials.get(key, "").lower()
    if text in ("", "1", "0", "true", "false", "yes", "no"):
        return default if text == "" else text in ("1", "true", "yes")
    raise invalid(f"The key {key} of the credentials is neither true nor false.", "Write 1 or 0.")


def _seconds(credentials: Mapping[str, str], key: str) -> int:
    text = credentials[key]
    if not text.isdigit() or not 0 < int(text) <= 86_400:
        raise invalid(f"The key {key} of the credentials is no number of seconds.", "Write a whole number such as 30.")
    return int(text)
