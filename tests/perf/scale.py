"""`make scale`: how the operator bears a thousand models at once and ten thousand at rest, on a real API server.

The API server, etcd (in memory) and the controllers run on this machine, without nodes; pods report as nodes would let
them. Whatever else runs here is measured too: use a quiet machine for figures that are to be kept.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does it: `support` and `perf` stand side by side

from perf.client import Refusal, client
from perf.figures import Figures
from perf.fleet import Fleet
from perf.steps import Run, burst, hand_over, idle, no_op, rest
from support.account import account
from support.control_plane import control_plane
from support.machine import end_cleanly_when_told
from support.operator import operator

_CONTROLLERS = "--kube-api-qps=500 --kube-api-burst=1000"
"""With its defaults the controller-manager is what is measured: 20 requests a second."""


def main() -> int:
    arguments = _parser().parse_args()
    end_cleanly_when_told()
    names = ("models", "rest", "idle")
    figures = Figures({name: getattr(arguments, name) for name in names} | {"command": " ".join(sys.argv[1:])})
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="modelmoor-etcd-", dir=memory if memory.is_dir() else None)
        )
        os.environ.update(ETCD_DIR=folder, ETCD_QUOTA_BACKEND_BYTES=str(8 * 1024**3), KCM_ARGS=_CONTROLLERS)
        figures.say("starting the control plane")
        plane = stack.enter_context(control_plane())
        own = account(plane, "scale")
        figures.say("starting the operator")
        replica = stack.enter_context(operator(own.kubeconfig, namespace=own.namespace))
        run = Run(plane, own, replica, figures, logs=arguments.logs)
        try:
            asyncio.run(_measure(run, arguments))
        except (TimeoutError, AssertionError, Refusal) as error:
            figures.say(f"stopped: {error}")
            figures.add("steps that could not be finished", 1, "", goal=0)
        finally:
            if arguments.logs:
                arguments.logs.write_text(replica.logs())
    return figures.conclude(arguments.output)


async def _measure(run: Run, arguments: argparse.Namespace) -> None:
    async with client(run.plane.kubeconfig) as calls:
        fleet = Fleet(calls, run.figures.say)
        await fleet.prepare()
        await burst(run, fleet, arguments.models)
        await no_op(run, fleet)
        if arguments.rest:
            await rest(run, fleet, arguments.rest)
        await idle(run, arguments.idle)
        if arguments.hand_over:
            await hand_over(run, calls)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A quick look: make scale SCALE='--models 100 --rest 0 --idle 10'. "
        "Exit code 1: a goal was missed by more than a fifth.",
    )
    parser.add_argument("--models", type=int, default=1000, metavar="N", help="models created in one burst (1000)")
    parser.add_argument(
        "--rest", type=int, default=10_000, metavar="N", help="models at rest afterwards; 0 skips (10000)"
    )
    parser.add_argument("--idle", type=float, default=600, metavar="SECONDS", help="how long nobody may write (600)")
    parser.add_argument("--no-hand-over", dest="hand_over", action="store_false", help="skip the two changes of leader")
    parser.add_argument(
        "--output", type=Path, default=Path("build/scale.json"), help="figures as JSON (build/scale.json)"
    )
    parser.add_argument("--logs", type=Path, metavar="FILE", help="keep the first operator's log here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
