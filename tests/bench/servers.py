"""Every server that is measured: what it can be asked, how it is started. A new peer is one entry and one small app."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bench import triton
from bench.found import FLAT, LIBRARY, OURS
from bench.models import Model

PEERS = Path(__file__).with_name("peers")
MATRICES = ("iris", "forest", "boosting")
SKLEARN = (*MATRICES, "mixed")


@dataclass(frozen=True)
class Setting:
    """One start of one server. python: the interpreter of its environment. folder: for its files alone."""

    model: Model
    python: str
    folder: Path
    http: int
    grpc: int
    other: int


@dataclass(frozen=True)
class Command:
    """What is run, and the environment beside what all servers get."""

    words: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """One way to serve. protocols: the first tells when it is ready. environment: a name for env.sh, "" for .venv.

    kind: `ours`, `python`, `triton` or `floor`. pausable: bears to be stopped while others are measured.
    """

    name: str
    kind: str
    protocols: tuple[str, ...]
    models: tuple[str, ...]
    command: Callable[[Setting], Command]
    environment: str = ""
    pausable: bool = True
    quick: bool = False


def _ours(engine: str, *, optimized: tuple[str, ...] = ()) -> Callable[[Setting], Command]:
    """optimized: models that are served from what `modelmoor-server optimize` made of them."""

    def command(setting: Setting) -> Command:
        words = [setting.python, "-m", "modelmoor_server", "serve", "--http-port", str(setting.http)]
        artifact = setting.model.optimized if setting.model.name in optimized else setting.model.file
        words += ["--model", f"{setting.model.name}={artifact}", "--grpc-port", str(setting.grpc)]
        # no peer refuses anybody for the length of the line; so that all are asked the same, ours does not either
        return Command(words, {"MODELMOOR_ENGINE": engine, "MODELMOOR_QUEUE_WAIT": "10s"})

    return command


def _bare(setting: Setting) -> Command:
    answers = {
        f"/{rows}": orjson.dumps({"predictions": setting.model.answers[:rows].tolist()}).decode()
        for rows in range(1, len(setting.model.answers) + 1)
    }
    file = setting.folder / "answers.json"
    file.write_bytes(orjson.dumps(answers))
    return Command([setting.python, str(PEERS / "bare_app.py"), str(setting.http), str(file)])


def _fastapi(setting: Setting) -> Command:
    app = "fastapi_cnn_app" if setting.model.name == "cnn" else "fastapi_app"
    words = [setting.python, "-m", "uvicorn", f"{app}:app", "--app-dir", str(PEERS), "--port", str(setting.http)]
    environment = {"MODEL": str(setting.model.file), "TABLE": "1" if setting.model.table else ""}
    return Command([*words, "--no-access-log", "--log-level", "warning"], environment)


def _kserve(setting: Setting) -> Command:
    words = [setting.python, str(PEERS / "kserve_app.py"), "--model_name", setting.model.name]
    words += ["--model", str(setting.model.file), "--http_port", str(setting.http), "--grpc_port", str(setting.grpc)]
    words += ["--enable_latency_logging", "false", "--log_config_file", str(PEERS / "kserve_logging.json")]
    return Command([*words, *(["--table"] if setting.model.table else [])])


def _mlserver(workers: int) -> Callable[[Setting], Command]:
    def command(setting: Setting) -> Command:
        server = {"host": "127.0.0.1", "http_port": setting.http, "grpc_port": setting.grpc, "debug": False}
        server |= {"metrics_port": setting.other, "parallel_workers": workers}
        model = {"name": setting.model.name, "implementation": "mlserver_sklearn.SKLearnModel"}
        (setting.folder / "settings.json").write_bytes(orjson.dumps(server))
        (setting.folder / "model-settings.json").write_bytes(
            orjson.dumps(model | {"parameters": {"uri": str(setting.model.file)}})
        )
        return Command([str(Path(setting.python).with_name("mlserver")), "start", str(setting.folder)])

    return command


def _bentoml(setting: Setting) -> Command:
    words = [setting.python, "-m", "bentoml", "serve", "bentoml_app:Bench", "--working-dir", str(PEERS)]
    environment = {
        "MODEL": str(setting.model.file),
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": str(setting.folder),
    }
    return Command([*words, "--host", "127.0.0.1", "--port", str(setting.http)], environment)


def _litserve(setting: Setting) -> Command:
    words = [setting.python, str(PEERS / "litserve_app.py"), str(setting.http)]
    return Command(words, {"MODEL": str(setting.model.file)})


def _ray(setting: Setting) -> Command:
    words = [setting.python, str(PEERS / "ray_app.py"), str(setting.http), str(setting.folder)]
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "100"}
    return Command(words, environment | {"MODEL": str(setting.model.file)})


def _triton(setting: Setting) -> Command:
    return Command(
        *triton.command(setting.model, Path(setting.python), setting.folder, setting.http, setting.grpc, setting.other)
    )


def chosen(names: list[str], quick: bool) -> list[Server]:
    """Ours, the bare server and the peers whose names begin with one of `names` (lower case); where none is named all,
    or the essential ones."""
    if names:
        begins = tuple(names)
        return [one for one in SERVERS if one.kind in ("ours", "floor") or one.name.lower().startswith(begins)]
    return [server for server in SERVERS if server.quick or not quick]


ALL = (*SKLEARN, "cnn")
SERVERS = (
    Server(OURS, "ours", ("v1", "v2", "binary", "grpc"), ALL, _ours("Auto", optimized=("cnn",)), quick=True),
    Server(FLAT, "ours", ("v1",), ("iris", "forest"), _ours("Auto", optimized=MATRICES), quick=True),
    Server(LIBRARY, "ours", ("v1",), ALL, _ours("Library")),
    Server("bare uvloop + httptools", "floor", ("constant",), ALL, _bare, quick=True),
    Server("Triton, Python backend", "triton", ("v2", "binary", "grpc"), SKLEARN, _triton, "triton", quick=True),
    Server("FastAPI by hand", "python", ("v1",), ALL, _fastapi, "fastapi", quick=True),
    Server("KServe", "python", ("v1", "v2", "binary", "grpc"), SKLEARN, _kserve, "kserve", quick=True),
    Server("MLServer, in process", "python", ("v2", "grpc"), SKLEARN, _mlserver(0), "mlserver", quick=True),
    Server("MLServer, one worker", "python", ("v2", "grpc"), MATRICES, _mlserver(1), "mlserver"),
    Server("LitServe", "python", ("own",), MATRICES, _litserve, "litserve"),
    Server("BentoML", "python", ("own",), MATRICES, _bentoml, "bentoml"),
    Server("Ray Serve", "python", ("own",), ("iris", "forest"), _ray, "ray", pausable=False),
)
