"""s3://, against a real S3 server."""

import logging
import os
from pathlib import Path

import pytest

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.stores import open_store

pytestmark = pytest.mark.slow


def contents(uri: str, credentials: dict[str, str]) -> dict[str, bytes]:
    store = open_store(uri, credentials)
    return {entry.path: b"".join(store.read(entry)) for entry in store.listing().entries}


def failure(uri: str, credentials: dict[str, str]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        contents(uri, credentials)
    error = caught.value
    assert not any(word in error.message + error.hint for word in ("testsecret", "wrongsecret", "Signature", "<"))
    return error


@pytest.fixture
def folder(s3, request: pytest.FixtureRequest) -> Path:
    """A folder of its own in the bucket, named after the test."""
    path = s3.data / "models" / request.node.name.partition("[")[0]
    path.mkdir(exist_ok=True)
    return path


def test_file_and_folder(s3, folder: Path) -> None:
    """A key is a file, a prefix is a folder, with or without its slash; neighbours of like name stay out."""
    (folder / "7" / "variables").mkdir(parents=True)
    (folder / "7" / "model.bin").write_bytes(b"abc")
    (folder / "7" / "variables" / "v").write_bytes(os.urandom(3 << 20))
    (folder / "77.bin").write_bytes(b"neighbour")
    base = f"s3://models/{folder.name}"

    assert contents(f"{base}/7/model.bin", s3.credentials) == {"model.bin": b"abc"}
    for uri in (f"{base}/7", f"{base}/7/"):
        found = contents(uri, s3.credentials)
        assert set(found) == {"model.bin", "variables/v"}
        assert found["variables/v"] == (folder / "7" / "variables" / "v").read_bytes()


def test_special_names(s3, folder: Path) -> None:
    """Spaces, percent signs, question marks and umlauts are taken as they are."""
    (folder / "sp ace%20ü?x.bin").write_bytes(b"abc")

    assert contents(f"s3://models/{folder.name}/sp ace%20ü?x.bin", s3.credentials) == {"sp ace%20ü?x.bin": b"abc"}


def test_missing(s3, folder: Path) -> None:
    """A missing key, prefix and bucket are ModelNotFound."""
    for uri in (f"s3://models/{folder.name}/none.bin", "s3://models/none/", "s3://nobucket/x", "s3://nobucket/"):
        assert failure(uri, s3.credentials).reason is Reason.MODEL_NOT_FOUND


def test_empty_folder(s3, folder: Path) -> None:
    """A folder that exists and holds nothing lists nothing; its reader tells EmptyArtifact."""
    assert open_store(f"s3://models/{folder.name}/", s3.credentials).listing().entries == ()


@pytest.mark.parametrize("wrong", [{"AWS_ACCESS_KEY_ID": "wrong"}, {"AWS_SECRET_ACCESS_KEY": "wrongsecret"}])
@pytest.mark.parametrize("key", ["model.bin", "", "none.bin"])
def test_wrong_credentials(s3, folder: Path, wrong: dict[str, str], key: str) -> None:
    """A wrong key and a wrong secret are AccessDenied, for a file as for a folder."""
    (folder / "model.bin").write_bytes(b"abc")

    assert failure(f"s3://models/{folder.name}/{key}", s3.credentials | wrong).reason is Reason.ACCESS_DENIED


def test_anonymous(s3, folder: Path) -> None:
    """KServe's awsAnonymousCredential sends no signature, which this server refuses."""
    credentials = {"AWS_ENDPOINT_URL": s3.endpoint, "awsAnonymousCredential": "true"}

    assert failure(f"s3://models/{folder.name}/x", credentials).reason is Reason.ACCESS_DENIED


def test_kserve_names(s3, folder: Path) -> None:
    """S3_ENDPOINT with S3_USE_HTTPS=0 means the same as AWS_ENDPOINT_URL."""
    (folder / "model.bin").write_bytes(b"abc")
    credentials = s3.credentials | {"S3_ENDPOINT": s3.endpoint.removeprefix("http://"), "S3_USE_HTTPS": "0"}
    del credentials["AWS_ENDPOINT_URL"]

    assert contents(f"s3://models/{folder.name}/model.bin", credentials) == {"model.bin": b"abc"}


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://nowhere.invalid:9"])
def test_unreachable(endpoint: str) -> None:
    """A store that does not answer is StoreUnavailable."""
    credentials = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": endpoint}

    assert failure("s3://models/x", credentials).reason is Reason.STORE_UNAVAILABLE


@pytest.mark.parametrize(
    "credentials",
    [
        {"AWS_ACCESS_KEY_ID": "half"},
        {"AWS_ENDPOINT_URL": "not a url"},
        {"AWS_ENDPOINT_URL": "http://u:p@h"},
        {"S3_VERIFY_SSL": "perhaps"},
        {"AWS_CA_BUNDLE": "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----"},
        {"AWS_CA_BUNDLE": "/no/such/file"},
        {"S3_READ_TIMEOUT": "soon"},
    ],
)
def test_invalid_settings(credentials: dict[str, str]) -> None:
    """Credentials that cannot mean anything are told before anything is asked."""
    with pytest.raises(ModelError) as caught:
        open_store("s3://models/x", credentials)

    assert caught.value.reason is Reason.INVALID_SETTINGS


def test_unknown_keys_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt key is named in the log; known ones of S3 and KServe are not."""
    known = {"AWS_REGION": "eu-west-1", "S3_USE_HTTPS": "1", "AWS_ENDPOINT_URL": "https://h"}
    with caplog.at_level(logging.WARNING, "modelmoor_server"):
        open_store("s3://models/x", known | {"AWS_ACCES_KEY_ID": "canary"})

    assert [record.fields for record in caplog.records] == [{"keys": ["AWS_ACCES_KEY_ID"]}]  # type: ignore[attr-defined]


def test_path_that_no_store_holds(s3) -> None:
    """A key with an empty segment is InvalidSettings, not a failure of the store."""
    assert failure("s3://models/a//b", s3.credentials).reason is Reason.INVALID_SETTINGS
