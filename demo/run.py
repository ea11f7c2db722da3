"""The demo: four models trained, deployed by four manifests, asked, and their answers compared with the truth.

make demo                        a kind cluster, the operator, the models; the second time in seconds
demo/run.py --without-cluster    the same models as processes of this machine
demo/run.py --delete             takes the demo's models and their store out of the cluster again
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a plain script: `demo` is found beside it

from demo import cluster as clusters
from demo import local, store, watch
from demo.answers import Row, rows, table
from demo.cluster import NAME, NAMESPACE, Cluster, NoCluster
from demo.console import Console, DemoError
from demo.models import Trained, Training

from modelmoor_operator.cli import request


def main() -> int:
    """0 when every served answer is the one in process, 1 when not or when something broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-cluster", action="store_true", help="serve on this machine, in no cluster")
    parser.add_argument("--cluster", default=NAME, metavar="NAME", help=f"the kind cluster ({NAME})")
    parser.add_argument("--delete", action="store_true", help=f"delete namespace {NAMESPACE} and end")
    parser.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="wait for Ready at most S seconds (600)"
    )
    options = parser.parse_args()
    console = Console()
    try:
        if options.delete:
            return _delete(console, clusters.found(options.cluster))
        return _story(console, None if options.without_cluster else options.cluster, options.timeout)
    except DemoError as error:
        console.plain()
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.plain("Stopped; run it again and it goes on from here.")
        return 130


def _story(console: Console, name: str | None, timeout: float) -> int:
    """`name` is the cluster's; None serves without one. `timeout` in seconds is for all models to become Ready."""
    console.step("Four models are trained (kept for the next time)")
    training = Training(console)
    training.start()
    cluster: Cluster | None = None
    if name:
        try:
            cluster = clusters.up(console, name)
            references = clusters.images(console, name)
        except NoCluster as missing:
            cluster = None
            console.step(f"No cluster on this machine: {missing}")
            console.detail("The demo goes on without one. What follows is the same server, but not the operator.")
    trained = training.result()
    if cluster is None:
        return _end(console, local.serve_and_ask(console, trained), cluster)
    clusters.install(console, cluster, references)
    store.fill(console, cluster, trained)
    watch.deploy(console, cluster, trained, timeout)
    console.step("One prediction request to each, through its Service")
    return _end(console, [row for model in trained for row in _ask(cluster, model)], cluster)


def _ask(cluster: Cluster, model: Trained) -> list[Row]:
    return rows(model, cluster.predict(model.name, request.path(model.name, model.request), model.request))


def _end(console: Console, found: list[Row], cluster: Cluster | None) -> int:
    different = sum(not row.same for row in found)
    console.plain(f"\n{table(found)}\n")
    verdict = (
        f"{different} of {len(found)} answers differ from the answer in process."
        if different
        else (f"All {len(found)} answers are the answers in process.")
    )
    console.plain(f"{verdict} Total time: {console.seconds} s.\n")
    console.plain(_next(cluster))
    return 1 if different else 0


def _next(cluster: Cluster | None) -> str:
    if cluster is None:
        return "Next: docs/quickstart.md, or serve one yourself:\n  .venv/bin/moor run --help"
    return f"""Next:
  export KUBECONFIG={cluster.kubeconfig} PATH={cluster.bin}:$PWD/.venv/bin:$PATH
  kubectl -n {NAMESPACE} get mdep                          # all models; add -w to watch
  moor status -n {NAMESPACE}                               # with the reason and what to do
  moor predict iris -n {NAMESPACE} -d @examples/iris/request.json
  kubectl -n {NAMESPACE} port-forward service/iris 8080:80 &
  curl -d @examples/iris/request.json http://localhost:8080/v1/models/iris:predict
  kubectl -n {NAMESPACE} delete mdep iris                  # and all that it became
  .venv/bin/python demo/run.py --delete                    # the demo's models and store
  tests/cluster/infra/down.sh {cluster.kubeconfig.name}                    # the whole cluster"""


def _delete(console: Console, cluster: Cluster) -> int:
    console.step(f"Namespace {NAMESPACE} and all in it")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    console.step("Deleted; the operator and the cluster stay (tests/cluster/infra/down.sh deletes the cluster)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
