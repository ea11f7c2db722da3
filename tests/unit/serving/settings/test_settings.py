"""Environment and command line become one frozen value, or one clear sentence."""

from pathlib import Path

import pytest

from modelmoor_server.errors import ModelError, Reason
from modelmoor_server.settings import FETCH_VARIABLES, VARIABLES, ModelSource, duration, from_environment


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1h2m3s4ms", 3723.004)]
)
def test_duration(text: str, seconds: float) -> None:
    """Durations are those of the custom resource."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "-1s", " 1s", "1s ", "1d", "123456s", "1s1s1s1s1s", "١s"])
def test_no_duration(text: str) -> None:
    """What the custom resource's pattern refuses is refused here, too."""
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


def test_pod() -> None:
    """In a pod everything comes by environment; empty variables count as absent."""
    settings = from_environment(
        {
            "MODELMOOR_MODEL_NAME": "digits",
            "MODELMOOR_MODEL_DIR": "/models",
            "MODELMOOR_MODEL_FORMAT": "keras",
            "MODELMOOR_TIMEOUT": "1m",
            "MODELMOOR_HTTP_PORT": "",
            "MODELMOOR_PICKLE": "Deny",
        }
    )

    assert settings.models == (ModelSource("digits", "/models", "keras", fetched=True),)
    assert (settings.http_port, settings.timeout, settings.connection_age) == (8080, 60, 60)
    assert (settings.pickle, settings.legacy_keras, settings.version_mismatch) == ("Deny", "Allow", "Refuse")
    assert settings.termination_log == Path("/dev/termination-log")


def test_by_hand() -> None:
    """By hand models come by the command line, which goes before the environment; nobody reads a termination log."""
    settings = from_environment(
        {"MODELMOOR_MODEL_NAME": "digits", "MODELMOOR_HTTP_PORT": "9"}, ["a=./a=b.joblib", "b=s3://bucket/b"], 0
    )

    assert settings.models == (ModelSource("a", "./a=b.joblib"), ModelSource("b", "s3://bucket/b"))
    assert [source.is_uri for source in settings.models] == [False, True]
    assert (settings.http_port, settings.termination_log) == (0, None)


POD = {"MODELMOOR_MODEL_NAME": "m"}


def test_origins() -> None:
    """Origins come as browsers write them, in any case, with commas between; none is the default."""
    listed = "https://App.example.com, http://localhost:3000,http://[::1]:80"

    assert from_environment(POD).cors_origins == ()
    assert from_environment(POD | {"MODELMOOR_CORS_ORIGINS": "*"}).cors_origins == ("*",)
    assert from_environment(POD | {"MODELMOOR_CORS_ORIGINS": listed}).cors_origins == (
        "https://app.example.com",
        "http://localhost:3000",
        "http://[::1]:80",
    )


@pytest.mark.parametrize("text", ["example.com", "https://example.com/", "null", "https://*.example.com", "ftp://a"])
def test_no_origins(text: str) -> None:
    """What no browser sends as an origin would never match, and is refused at the start."""
    with pytest.raises(ModelError, match="MODELMOOR_CORS_ORIGINS takes origins"):
        from_environment(POD | {"MODELMOOR_CORS_ORIGINS": text})


@pytest.mark.parametrize(
    ("environment", "given", "port"),
    [
        ({}, None, None),
        ({"MODELMOOR_GRPC_PORT": ""}, None, None),
        ({"MODELMOOR_GRPC_PORT": "8081"}, None, 8081),
        ({"MODELMOOR_GRPC_PORT": "8081"}, 0, 0),
        ({}, 9000, 9000),
    ],
)
def test_grpc_is_off_unless_asked_for(environment: dict[str, str], given: int | None, port: int | None) -> None:
    """By environment or by the command line, which goes first."""
    assert from_environment(POD | environment, grpc_port=given).grpc_port == port


@pytest.mark.parametrize(
    ("environment", "switch", "allowed"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"MODELMOOR_REPOSITORY_API": "Allow"}, False, True),
        ({"MODELMOOR_REPOSITORY_API": "Deny"}, True, True),
    ],
)
def test_loading_by_request_is_asked_for(environment: dict[str, str], switch: bool, allowed: bool) -> None:
    """Off by itself; the command line or the environment lets it be."""
    assert from_environment(POD | environment, repository_api=switch).repository_api is allowed


@pytest.mark.parametrize(
    ("environment", "models", "said"),
    [
        ({}, [], "no model to serve"),
        ({"MODELMOOR_MODEL_NAME": "a/b"}, [], "MODELMOOR_MODEL_NAME"),
        (POD | {"MODELMOOR_TIMEOUT": "0s"}, [], "MODELMOOR_TIMEOUT"),
        (POD | {"MODELMOOR_TIMEOUT": "soon"}, [], "MODELMOOR_TIMEOUT"),
        (POD | {"MODELMOOR_HTTP_PORT": "65536"}, [], "MODELMOOR_HTTP_PORT"),
        (POD | {"MODELMOOR_HTTP_PORT": "http"}, [], "MODELMOOR_HTTP_PORT"),
        (POD | {"MODELMOOR_GRPC_PORT": "-1"}, [], "MODELMOOR_GRPC_PORT"),
        (POD | {"MODELMOOR_GRPC_LIMIT": "1"}, [], "MODELMOOR_GRPC_LIMIT"),
        (POD | {"MODELMOOR_PICKLE": "allow"}, [], "MODELMOOR_PICKLE"),
        (POD | {"MODELMOOR_QUEUE_LIMIT": "0"}, [], "MODELMOOR_QUEUE_LIMIT"),
        (POD | {"MODELMOOR_BINARY_LIMIT": "64Mi"}, [], "MODELMOOR_BINARY_LIMIT"),
        (POD | {"MODELMOOR_REPOSITORY_API": "yes"}, [], "MODELMOOR_REPOSITORY_API"),
        ({}, ["./iris.joblib"], "NAME=PATH_OR_URI"),
        ({}, ["a/b=./iris.joblib"], "NAME=PATH_OR_URI"),
        ({}, ["a="], "NAME=PATH_OR_URI"),
        ({}, ["a=x", "a=y"], "same name"),
    ],
)
def test_invalid(environment: dict[str, str], models: list[str], said: str) -> None:
    """A setting that cannot be used is named, with the next step; its value is not repeated."""
    with pytest.raises(ModelError) as caught:
        from_environment(environment, models)

    assert caught.value.reason is Reason.INVALID_SETTINGS
    assert said in caught.value.message
    assert caught.value.hint


def test_variables_are_all_documented() -> None:
    """docs/server.md has every variable with its default and help."""
    text = (Path(__file__).parents[4] / "docs" / "server.md").read_text()

    for variable in (*VARIABLES, *FETCH_VARIABLES):
        default = f"`{variable.default}`" if variable.default else ""
        assert f"| `{variable.name}` | {default} | {variable.help} |" in text
