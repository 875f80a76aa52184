"""The chaos run: ``python -m benchmarks.chaos --kills 20``; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.chaos.layouts import LAYOUTS
from benchmarks.chaos.looping import run_loop
from benchmarks.chaos.report import write_report
from benchmarks.chaos.running import run
from benchmarks.chaos.scenarios import SCENARIOS, run_scenario
from benchmarks.chaos.setting import Outcome, Setting
from benchmarks.chaos.training import run_training

_RUNS: dict[str, Callable[[Setting, Path], Outcome]] = {
    "window": run,
    "train": run_training,
    **dict.fromkeys(LAYOUTS, run_loop),
}

SHARING = ("parquet", "csv", "train")
"""Layouts whose rows come from all that is opened together: ranks and workers have to hold it all at once."""


def main() -> int:
    """Run, tell, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each run; 0 for none")
    parser.add_argument(
        "--layout",
        action="append",
        choices=["files", *_RUNS],
        help="what is read, and how: window by default, files is all others; may be repeated",
    )
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--sample-bytes", type=int, default=8192)
    parser.add_argument("--epochs", type=int, help="default: as many as kills need, two at least")
    parser.add_argument("--ranks", type=int, action="append", help="trainers that share the window; may be repeated")
    parser.add_argument("--workers", type=int, action="append", help="of each rank; may be repeated")
    parser.add_argument("--faults", type=float, default=0.03, help="chance that a request meets a fault")
    parser.add_argument(
        "--window-share",
        type=float,
        help="the window's part of the dataset; default: 0.15, or 0.85 where ranks or workers share rows",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--scenario", action="append", choices=["all", *SCENARIOS], help="a fault that does not pass; may be repeated"
    )
    parser.add_argument("--report", action="store_true", help="write a dated report")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    runs, command = [], shlex.join(["python", "-m", "benchmarks.chaos", *sys.argv[1:]])
    for setting in _settings(args):
        with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder:
            outcome = _RUNS[setting.layout](setting, Path(folder))
        runs.append((setting, outcome))
        if args.report:  # of what has been run by now, however this one ends
            write_report(runs, [], command=command)
        print(json.dumps(asdict(setting) | asdict(outcome) | {"kept": outcome.kept}, indent=1), flush=True)
    asked = args.scenario or []
    scenes = [run_scenario(name) for name in (SCENARIOS if "all" in asked else asked)]
    for scene in scenes:
        print(f"{'kept' if scene.kept else 'BROKEN'}: {scene.what}: {scene.seen}")
    if args.report:
        print(write_report(runs, scenes, command=command))
    return 0 if all(outcome.kept for _, outcome in runs) and all(scene.kept for scene in scenes) else 1


def _settings(args: argparse.Namespace) -> Iterator[Setting]:
    """Give what is run, one after the other."""
    layouts = args.layout or ["window"]
    layouts = [name for name in _RUNS if name != "window"] if "files" in layouts else layouts
    for layout, num_ranks, workers in itertools.product(layouts, args.ranks or [1], args.workers or [0]):
        if not args.kills or (layout == "window" and workers) or (layout == "train" and num_ranks > 1):
            continue
        shares = layout in SHARING and num_ranks + workers > 1
        yield Setting(
            layout=layout,
            kills=args.kills,
            num_samples=args.samples,
            sample_bytes=args.sample_bytes,
            epochs=args.epochs or max(2, round(args.kills * 40 / args.samples)),
            num_ranks=num_ranks,
            workers=workers,
            faults=args.faults,
            window_share=args.window_share or (0.85 if shares else 0.15),
            seed=args.seed,
        )


if __name__ == "__main__":
    sys.exit(main())
