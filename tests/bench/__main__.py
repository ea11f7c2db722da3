"""How fast this server is beside its peers, on this machine, now.

One core a server, the load tool on the other; the same model, the same body, the same load tool; in turn, round by
round. Each peer is installed once, in an environment of its own. A peer that cannot be installed, does not start or
answers wrong is told, not measured.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import cases, goals, models, table
from bench.measure import Bench
from bench.servers import SERVERS, chosen
from perf.figures import Figures
from support.machine import end_cleanly_when_told


def main() -> int:
    options = _options()
    end_cleanly_when_told()
    if (os.cpu_count() or 1) < 2:
        print("bench: two cores are needed, one for the server and one for the load.", file=sys.stderr)
        return 3
    if code := subprocess.run([Path(__file__).with_name("env.sh"), "--tools"], check=False).returncode:
        return code
    os.sched_setaffinity(0, {1})
    figures = Figures({"command": " ".join(sys.argv[1:]), "rounds": options.rounds, "seconds": options.seconds})
    servers = chosen(options.peer, options.quick)
    planned = cases.cases(tuple(options.only), options.quick)
    cells = sum(len(case.series(servers)) for case in planned)
    minutes = cells * options.rounds * (options.seconds + 0.5) / 60 + len(options.only) * len(servers) * 0.2
    figures.say(f"{cells} cells of {options.rounds} rounds of {options.seconds} s: about {minutes:.0f} minutes")
    stopped = False
    logs = options.output.parent / "bench"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="modelmoor-bench-") as scratch:
        bench = Bench(options.seconds, options.rounds, Path(scratch), logs, figures.say)
        try:
            for name in options.only:
                figures.say(f"training {name}")
                model = models.made(name, Path(scratch))
                bench.model(model, [case for case in planned if case.model == name], servers)
        except KeyboardInterrupt:
            stopped = True
            figures.say("stopped: what follows is what was measured so far")
    found = bench.found
    told = table.whole(found)
    options.output.with_suffix(".md").write_text(told + "\n")
    print(f"\n{told}\n\n### Goals\n")
    missing = goals.judge(found, figures)
    figures.details = {key: [asdict(one) for one in values] for key, values in vars(found).items() if key != "problems"}
    figures.details |= {"problems": found.problems, "goalsNotMeasured": missing}
    code = figures.conclude(options.output)
    if missing:
        print(f"not in this run: {'; '.join(missing)}")
    return 130 if stopped else code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = "; ".join(server.name for server in SERVERS if server.kind not in ("ours", "floor"))
    parser.add_argument("--only", action="append", choices=models.NAMES, help="a model; may be repeated (all)")
    parser.add_argument(
        "--peer", action="append", default=[], type=peer, help=f"a peer, as its name begins; may be repeated: {names}"
    )
    parser.add_argument("--quick", action="store_true", help="iris and forest, the best peers: ten minutes")
    parser.add_argument("--seconds", type=int, help="of load a cell and round (2)")
    parser.add_argument("--rounds", type=int, help="of which the median is told (5; quick: 3)")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"), help="figures as JSON; .md beside it")
    options = parser.parse_args()
    options.only = options.only or list(cases.QUICK if options.quick else models.NAMES)
    options.seconds = options.seconds or 2
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def peer(begin: str) -> str:
    """The argument in lower case. Raises ArgumentTypeError where no peer's name begins so."""
    if any(server.name.lower().startswith(begin.lower()) for server in SERVERS):
        return begin.lower()
    raise argparse.ArgumentTypeError(f"no peer's name begins with {begin!r}")


if __name__ == "__main__":
    sys.exit(main())
