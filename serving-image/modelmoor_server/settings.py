"""How this server was told to run: the environment in a pod, the command line by hand, one frozen value inside."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelmoor_server.errors import ModelError, Phase, Reason

WORKERS_LIMIT = 64
DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_PART = re.compile(r"([0-9]+)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: the tables of docs/server.md and of `--help` are made from these."""

    name: str
    default: str
    help: str


VARIABLES = (
    Variable("MODELMOOR_MODEL_NAME", "", "The model's public name. Used where no --model is given."),
    Variable("MODELMOOR_MODEL_DIR", "/mnt/modelmoor/model", "Where `fetch` has put the model."),
    Variable("MODELMOOR_MODEL_FORMAT", "", "sklearn, keras or tensorflow; recognised from the files where empty."),
    Variable("MODELMOOR_HTTP_PORT", "8080", "Port for HTTP; --http-port goes first."),
    Variable("MODELMOOR_GRPC_PORT", "", "Port for gRPC, no gRPC where empty; --grpc-port goes first."),
    Variable("MODELMOOR_WORKERS", "1", "Processes that share the ports, each with the models; --workers goes first."),
    Variable("MODELMOOR_TIMEOUT", "30s", "How long a request may take; also the bound on the shutdown."),
    Variable("MODELMOOR_CONNECTION_AGE", "60s", "Connections are closed at about this age, between two requests."),
    Variable("MODELMOOR_JSON_LIMIT", "8388608", "Bytes of a JSON request; larger ones get 413."),
    Variable("MODELMOOR_GRPC_LIMIT", "67108864", "Bytes of a gRPC message, decompressed; larger: RESOURCE_EXHAUSTED."),
    Variable("MODELMOOR_BINARY_LIMIT", "67108864", "Bytes of a request with binary tensors; larger ones get 413."),
    Variable("MODELMOOR_QUEUE_LIMIT", "128", "Requests that may wait for a model; more get 503."),
    Variable("MODELMOOR_QUEUE_WAIT", "5ms", "How long all may wait; five calls of the model, where those are longer."),
    Variable(
        "MODELMOOR_BATCH_MAX_SIZE",
        "64",
        "Rows that share a call; 1 turns batching off. A large request's slices start there.",
    ),
    Variable("MODELMOOR_BATCH_MAX_DELAY", "0s", "How long a request may wait for others to share a call."),
    Variable("MODELMOOR_BATCH_EXACT", "false", "true: only models whose answers cannot change by a bit are batched."),
    Variable("MODELMOOR_BATCH_ROWS_INDEPENDENT", "false", "true: you say that rows do not touch each other."),
    Variable("MODELMOOR_CORS_ORIGINS", "", "Origins whose pages may call, comma between them, or *; none where empty."),
    Variable("MODELMOOR_PICKLE", "Allow", "Allow, AllowListed or Deny: what may be done with joblib and pickle files."),
    Variable("MODELMOOR_LEGACY_KERAS", "Allow", "Allow or Deny: files of Keras below 3, through tf_keras."),
    Variable("MODELMOOR_VERSION_MISMATCH", "Refuse", "Refuse or Warn: models of a library version not compared."),
    Variable("MODELMOOR_ENGINE", "Auto", "Auto, Library, Native or ONNX: by what code models are answered."),
    Variable("MODELMOOR_GRPC_TRANSPORT", "Auto", "Auto, Native (libnghttp2) or Grpcio: what carries gRPC."),
    Variable("MODELMOOR_COMPILED", "Auto", "Auto, Never or Always: whether the modules are used that mypyc compiled."),
    Variable("MODELMOOR_REPOSITORY_API", "Deny", "Allow or Deny: models loaded and unloaded by HTTP requests."),
    Variable("MODELMOOR_TERMINATION_LOG", "/dev/termination-log", "Where the reason of a failed start is written."),
)
FETCH_VARIABLES = (
    Variable("MODELMOOR_MODEL_URI", "", "Where the model is: file, pvc, http(s), s3, gs or az."),
    Variable("MODELMOOR_MODEL_DIR", "/mnt/modelmoor/model", "Where the model and its facts.json are put."),
    Variable("MODELMOOR_MODEL_DIGEST", "", "sha256:... that the model must have; not checked where empty."),
    Variable("MODELMOOR_MODEL_FORMAT", "", "sklearn, keras or tensorflow that the model must be."),
    Variable("MODELMOOR_CREDENTIALS_DIR", "/etc/modelmoor/credentials", "The store's credentials, one file a key."),
    Variable("MODELMOOR_PVC_DIR", "/mnt/modelmoor/pvc", "Where the claim of a pvc:// URI is mounted."),
    Variable("MODELMOOR_SIZE_LIMIT", "", "Bytes; a larger model is refused before it fills the disk."),
    Variable("MODELMOOR_TERMINATION_LOG", "/dev/termination-log", "Where the facts, or the failure, are written."),
)
_DEFAULTS = {variable.name: variable.default for variable in VARIABLES}


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model to serve. location: a path, a URI, or the folder that `fetch` has filled (then `fetched` is true)."""

    name: str
    location: str
    format: str | None = None
    fetched: bool = False

    @property
    def is_uri(self) -> bool:
        return _SCHEME.match(self.location) is not None


@dataclass(frozen=True, slots=True)
class Batching:
    """How this server may batch.

    max_size: rows of one call; 1 turns batching off. max_delay: seconds that a request may wait for company.
    exact: only where the answers are equal bit by bit. rows_independent: the user says so of every model served.
    """

    max_size: int = 64
    max_delay: float = 0.0
    exact: bool = False
    rows_independent: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds, sizes in bytes. The three policies are the words of runtimes/base.py."""

    models: tuple[ModelSource, ...]
    http_port: int
    grpc_port: int | None
    workers: int
    timeout: float
    connection_age: float
    json_limit: int
    grpc_limit: int
    binary_limit: int
    queue_limit: int
    queue_wait: float
    batching: Batching
    pickle: str
    legacy_keras: str
    version_mismatch: str
    engine: str
    grpc_transport: str
    repository_api: bool
    termination_log: Path | None
    cors_origins: tuple[str, ...] = ()


def from_environment(
    environment: Mapping[str, str],
    models: Sequence[str] = (),
    http_port: int | None = None,
    grpc_port: int | None = None,
    *,
    workers: int | None = None,
    repository_api: bool = False,
) -> Settings:
    """Settings of `serve`. models: NAME=PATH_OR_URI, as on the command line; without them, the pod's one model.
    repository_api: the switch of the command line; where it is not given, the environment decides.

    Raises ModelError (InvalidSettings).
    """
    values = _DEFAULTS | {name: environment[name] for name in _DEFAULTS if environment.get(name)}
    _one_of(values, "MODELMOOR_COMPILED", ("Auto", "Never", "Always"))  # obeyed long before, at the first import
    return Settings(
        models=_by_hand(models) if models else (_of_pod(values),),
        http_port=_port(values["MODELMOOR_HTTP_PORT"], "MODELMOOR_HTTP_PORT", http_port, "--http-port"),
        grpc_port=_port(values["MODELMOOR_GRPC_PORT"], "MODELMOOR_GRPC_PORT", grpc_port, "--grpc-port")
        if values["MODELMOOR_GRPC_PORT"] or grpc_port is not None
        else None,
        workers=whole_number(values["MODELMOOR_WORKERS"], "MODELMOOR_WORKERS", 1, WORKERS_LIMIT)
        if workers is None
        else whole_number(str(workers), "--workers", 1, WORKERS_LIMIT),
        timeout=_duration(values, "MODELMOOR_TIMEOUT"),
        connection_age=_duration(values, "MODELMOOR_CONNECTION_AGE"),
        json_limit=whole_number(values["MODELMOOR_JSON_LIMIT"], "MODELMOOR_JSON_LIMIT", 1024, 1 << 30),
        grpc_limit=whole_number(values["MODELMOOR_GRPC_LIMIT"], "MODELMOOR_GRPC_LIMIT", 1024, 1 << 30),
        binary_limit=whole_number(values["MODELMOOR_BINARY_LIMIT"], "MODELMOOR_BINARY_LIMIT", 1024, 1 << 30),
        queue_limit=whole_number(values["MODELMOOR_QUEUE_LIMIT"], "MODELMOOR_QUEUE_LIMIT", 1, 100_000),
        queue_wait=_duration(values, "MODELMOOR_QUEUE_WAIT"),
        batching=Batching(
            max_size=whole_number(values["MODELMOOR_BATCH_MAX_SIZE"], "MODELMOOR_BATCH_MAX_SIZE", 1, 65_536),
            max_delay=_duration(values, "MODELMOOR_BATCH_MAX_DELAY", zero=True),
            exact=_flag(values, "MODELMOOR_BATCH_EXACT"),
            rows_independent=_flag(values, "MODELMOOR_BATCH_ROWS_INDEPENDENT"),
        ),
        pickle=_one_of(values, "MODELMOOR_PICKLE", ("Allow", "AllowListed", "Deny")),
        legacy_keras=_one_of(values, "MODELMOOR_LEGACY_KERAS", ("Allow", "Deny")),
        version_mismatch=_one_of(values, "MODELMOOR_VERSION_MISMATCH", ("Refuse", "Warn")),
        engine=_one_of(values, "MODELMOOR_ENGINE", ("Auto", "Library", "Native", "ONNX")),
        grpc_transport=_one_of(values, "MODELMOOR_GRPC_TRANSPORT", ("Auto", "Native", "Grpcio")),
        repository_api=repository_api or _one_of(values, "MODELMOOR_REPOSITORY_API", ("Allow", "Deny")) == "Allow",
        termination_log=None if models else Path(values["MODELMOOR_TERMINATION_LOG"]),
        cors_origins=_origins(values["MODELMOOR_CORS_ORIGINS"]),
    )


def duration(text: str) -> float:
    """Seconds of a duration such as `1m30s` or `500ms`. Raises ValueError."""
    if not DURATION.fullmatch(text):
        raise ValueError("not a duration")
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def whole_number(text: str, name: str, least: int, most: int) -> int:
    """A setting that is a whole number. Raises ModelError (InvalidSettings)."""
    if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
        raise invalid(f"{name} must be a whole number from {least} to {most}.", f"Set {name} accordingly.")
    return int(text)


def _port(text: str, variable: str, given: int | None, option: str) -> int:
    return whole_number(text, variable, 0, 65535) if given is None else whole_number(str(given), option, 0, 65535)


def invalid(message: str, hint: str) -> ModelError:
    """A setting that cannot be used."""
    return ModelError(Phase.LOAD, Reason.INVALID_SETTINGS, message, hint)


def _by_hand(models: Sequence[str]) -> tuple[ModelSource, ...]:
    sources = []
    for text in models:
        name, equals, location = text.partition("=")
        if not equals or not location or not NAME.fullmatch(name):
            raise invalid("--model takes NAME=PATH_OR_URI.", "Write for example --model iris=./iris.joblib")
        sources.append(ModelSource(name, location))
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise invalid("Two models have the same name.", "Give each --model a name of its own.")
    return tuple(sources)


def _of_pod(values: Mapping[str, str]) -> ModelSource:
    name = values["MODELMOOR_MODEL_NAME"]
    if not name:
        raise invalid(
            "There is no model to serve.", "Give one with --model NAME=PATH_OR_URI, or set MODELMOOR_MODEL_NAME."
        )
    if not NAME.fullmatch(name):
        raise invalid(
            "MODELMOOR_MODEL_NAME is no model name.", "Use letters, digits, dots, dashes and underscores, at most 64."
        )
    format_ = values["MODELMOOR_MODEL_FORMAT"] or None
    return ModelSource(name, values["MODELMOOR_MODEL_DIR"], format_, fetched=True)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    if any(origin != "*" and not ORIGIN.fullmatch(origin) for origin in origins):
        raise invalid(
            "MODELMOOR_CORS_ORIGINS takes origins as browsers write them, without a path, or *.",
            "Write for example https://app.example.com,http://localhost:3000",
        )
    return origins


def _duration(values: Mapping[str, str], name: str, *, zero: bool = False) -> float:
    try:
        seconds = duration(values[name])
    except ValueError:
        seconds = -1.0
    if zero and seconds < 0:
        raise invalid(f"{name} is no duration.", "Write for example 5ms, or 0s.")
    if seconds <= 0 and not zero:
        raise invalid(f"{name} is no duration above zero.", "Write for example 30s, 1m30s or 500ms.")
    return seconds


def _flag(values: Mapping[str, str], name: str) -> bool:
    return _one_of(values, name, ("true", "false")) == "true"


def _one_of(values: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    if values[name] not in words:
        raise invalid(f"{name} must be one of {', '.join(words)}.", f"Set {name} accordingly.")
    return values[name]
