"""`modelmoor-server`: serve a model, fetch one, look into one, or make one faster."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelmoor_server import log, settings, threads
from modelmoor_server.errors import ModelError
from modelmoor_server.facts import tell
from modelmoor_server.optimized import FAST, MANIFEST, words
from modelmoor_server.serve import serve

EXAMPLES = """\
examples:
  modelmoor-server serve --model iris=./iris.joblib --http-port 8080
  modelmoor-server serve --model iris=./iris.joblib --model mnist=./mnist.keras --grpc-port 8081
  modelmoor-server serve --model iris=https://models.example.com/iris.joblib
  modelmoor-server inspect ./iris.joblib

  curl localhost:8080/v2/models/iris
  curl localhost:8080/v2/models/iris/infer -d \\
    '{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}'
  curl localhost:8080/v1/models/iris:predict -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0, 1 where the model cannot be had or served, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    log.configure()
    code: int = options.run(options)
    logging.shutdown()
    sys.stdout.flush()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelmoor-server",
        description="Serves models over the Open Inference Protocol v2 and the v1 protocol.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "serve",
        help="load models and answer predictions",
        description="Loads models and answers predictions until SIGTERM. In a pod everything comes by environment.",
        epilog=f"{EXAMPLES}\nenvironment:\n{_table(settings.VARIABLES)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=PATH_OR_URI",
        help="a model and its public name; may be repeated. A URI is fetched first",
    )
    command.add_argument(
        "--http-port", type=int, metavar="PORT", help="port for HTTP (default 8080; 0 takes a free one)"
    )
    command.add_argument(
        "--grpc-port", type=int, metavar="PORT", help="port for gRPC (default: none; 0 takes a free one)"
    )
    command.add_argument(
        "--workers", type=int, metavar="N", help="processes that share the ports, each with the models (default 1)"
    )
    command.add_argument(
        "--repository-api",
        action="store_true",
        help="let requests load and unload these models (/v2/repository/models/NAME/load, /unload, and by gRPC)",
    )
    command.set_defaults(run=_serve)
    command = commands.add_parser(
        "fetch",
        help="bring a model from its store to a folder (the init container's work)",
        description="Fetches the model that the environment names, checks its digest and writes facts.json.",
        epilog=f"environment:\n{_table(settings.FETCH_VARIABLES)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=_fetch)
    command = commands.add_parser(
        "inspect",
        help="tell format, framework version and digest of a file or folder; nothing in it is executed",
        description="Tells format, framework version and digest of a model, as JSON. Nothing in it is executed.",
    )
    command.add_argument("path", type=Path, metavar="PATH", help="a model's file or folder")
    command.set_defaults(run=_inspect)
    command = commands.add_parser(
        "optimize",
        help="write a folder with the model and a form of it that starts in a fraction of the time and memory",
        description=words.DESCRIPTION,
        epilog=words.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", type=Path, metavar="SOURCE", help="a model's file, or the folder that holds it")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to write; it must not exist yet")
    command.add_argument("--json", action="store_true", help="the result, or the failure, as one JSON object on stdout")
    command.set_defaults(run=_optimize)
    return parser


def _serve(options: argparse.Namespace) -> int:
    try:
        known = settings.from_environment(
            os.environ,
            options.model,
            options.http_port,
            options.grpc_port,
            workers=options.workers,
            repository_api=options.repository_api,
        )
    except ModelError as error:
        tell(error, None if options.model else _termination_log(os.environ))
        return 1
    threads.apply(os.environ, max(1, threads.budget() // known.workers))
    return serve(known)


def _fetch(options: argparse.Namespace) -> int:
    from modelmoor_server import init_container  # `serve` needs none of what this brings

    try:
        init_container.run(os.environ)
    except ModelError as error:
        tell(error, None)
        return 1
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from modelmoor_server import artifact
    from modelmoor_server.inspection import inspect

    try:
        path = options.path.resolve()
        found = inspect(path)
        known: dict[str, object] = {"format": found.format, "framework": found.framework}
        known["digest"] = artifact.digest(path)
        if (path / FAST / MANIFEST).is_file():
            from modelmoor_server.optimized.manifest import told  # numpy comes with it

            known["fastForm"] = told(path, found.path)
    except ModelError as error:
        tell(error, None)
        return 1
    print(json.dumps(known, indent=2))
    return 0


def _optimize(options: argparse.Namespace) -> int:
    threads.apply(os.environ, threads.budget())
    from modelmoor_server.optimized import verb  # numpy comes with it

    return verb.run(options)


def _termination_log(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("MODELMOOR_TERMINATION_LOG") or "/dev/termination-log")


def _table(variables: Sequence[settings.Variable]) -> str:
    width = max(len(variable.name) for variable in variables)
    return "\n".join(
        f"  {variable.name:<{width}}  {variable.help}" + (f" [{variable.default}]" if variable.default else "")
        for variable in variables
    )


if __name__ == "__main__":
    sys.exit(main())
