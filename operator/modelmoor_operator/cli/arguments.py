"""The words that `moor` understands: every command, its options, and the examples that `--help` teaches with."""

import argparse
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_TOP = """
    examples:
      moor validate -f examples/iris
      moor render -f examples/iris
      moor run -f examples/iris --set-uri iris=/tmp/iris/iris.joblib
      moor predict http://127.0.0.1:8080 -d @examples/iris/request.json
      moor status

    Each command explains itself: moor run --help
"""
_VALIDATE = """
    examples:
      moor validate -f modeldeployment.yaml
      moor validate -f deploy/ -o json           every manifest of a folder, for a script
      moor validate -f modeldeployment.yaml --server

    Without --server no cluster is needed: types, patterns, bounds and unknown fields are checked. With it the API
    server checks its rules, too (a dry run: nothing is written). Exit code 1 when a manifest is not valid.
"""
_RENDER = """
    examples:
      moor render -f modeldeployment.yaml
      moor render -f modeldeployment.yaml -o json | jq '.items[].kind'
      moor render -f modeldeployment.yaml --settings settings.yaml

    The operator adds owner references with the uid of the living object, so that deleting a ModelDeployment deletes
    what it became; they are left out here.
"""
_RUN = """
    examples:
      moor run -f examples/iris --set-uri iris=/tmp/iris/iris.joblib
      moor run -f examples/iris -f examples/store/store.yaml     the Secret's manifest gives the store's keys
      moor run -f model.yaml --credentials ./keys                a folder with one file per key
      moor run -f examples/rents --claim model-store=./claim     a folder in place of a volume

    The server is told what the operator would tell the pod, with this machine's folders and port put in: what works
    here works there, but for resources, network and the image's own library versions. Needs modelmoor-server.
"""
_PREDICT = """
    examples:
      moor predict iris -d @examples/iris/request.json           by name, through the cluster's API server
      moor predict http://127.0.0.1:8080 -d @examples/iris/request.json
      moor predict iris -d '{"instances": [{"sepal length (cm)": 5.1, "sepal width (cm)": 3.5,
                                            "petal length (cm)": 1.4, "petal width (cm)": 0.2}]}'

    The body tells the protocol: `instances` is v1, `inputs` with datatypes is the Open Inference Protocol v2.
"""
_STATUS = """
    examples:
      moor status
      moor status iris
      moor status -A -o json | jq '.[] | select(.ready != "True")'
      moor status iris --exit-code || echo "not ready"
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; each command is a function from its options to an exit code."""
    from modelmoor_operator.cli import predict, render, run, status

    top = argparse.ArgumentParser(
        prog="moor",
        description="Moors models to Kubernetes: look at a ModelDeployment, try it here, ask it there.",
        epilog=dedent(_TOP),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    check = _command(
        commands, "validate", render.validate, "say what is wrong with a manifest, field by field", _VALIDATE
    )
    _files(check)
    _output(check, "text")
    check.add_argument("--server", action="store_true", help="ask the API server too, by a dry run")
    _context(check)

    show = _command(commands, "render", render.render, "print every object that the operator would write", _RENDER)
    _files(show)
    _installed(show)
    _output(show, "yaml")

    serve = _command(commands, "run", run.run, "serve a manifest's model on this machine", _RUN)
    _files(serve)
    _installed(serve)
    serve.add_argument("--name", help="which ModelDeployment, where the files hold several")
    serve.add_argument(
        "--set-uri", metavar="NAME=PATH", action="append", default=[], help="serve this file, folder or URI instead"
    )
    serve.add_argument(
        "--credentials", metavar="DIR", type=Path, help="the store's keys: a folder with one file per key"
    )
    serve.add_argument(
        "--claim", metavar="NAME=DIR", action="append", default=[], help="a folder in place of a PersistentVolumeClaim"
    )
    serve.add_argument("--port", type=int, default=8080, help="local port, 0 for any free one (default: 8080)")

    ask = _command(commands, "predict", predict.predict, "send one request to a model and print its answer", _PREDICT)
    ask.add_argument("target", metavar="NAME|URL", help="a ModelDeployment of the cluster, or the address of a server")
    ask.add_argument("-d", "--data", required=True, metavar="JSON", help="the request: JSON, @FILE, or @- for stdin")
    ask.add_argument("--model", metavar="NAME", help="the model, where a URL serves several")
    _namespace(ask, None, "namespace of the model (default: the context's own)")
    _context(ask)

    tell = _command(commands, "status", status.status, "tell how the models of a cluster are, and what to do", _STATUS)
    tell.add_argument("name", nargs="?", metavar="NAME", help="one ModelDeployment (default: all)")
    _namespace(tell, None, "namespace (default: the context's own)")
    tell.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    _output(tell, "text")
    tell.add_argument("--exit-code", action="store_true", help="end with 1 where one is not Ready")
    _context(tell)
    return top


def _command(commands: "Commands", name: str, function: object, summary: str, examples: str) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=dedent(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(command=function)
    return added


def _files(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-f", "--file", action="append", required=True, help="a manifest, a folder of them, or - for standard input"
    )
    _namespace(command, "default", "namespace of manifests that name none (default: default)")


def _namespace(command: argparse.ArgumentParser, default: str | None, text: str) -> None:
    command.add_argument("-n", "--namespace", default=default, help=text)


def _context(command: argparse.ArgumentParser) -> None:
    command.add_argument("--context", help="context of the kubeconfig (default: the current one)")


def _installed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--settings", type=Path, metavar="FILE", help="the operator's settings file (default: none)")
    command.add_argument("--image", help="the serving image, in place of the settings' own")


def _output(command: argparse.ArgumentParser, first: str) -> None:
    command.add_argument("-o", "--output", choices=[first, "json"], default=first, help=f"format (default: {first})")
