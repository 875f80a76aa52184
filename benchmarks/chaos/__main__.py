"""The chaos run: ``python -m benchmarks.chaos --kills 20``; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.chaos.report import write_report
from benchmarks.chaos.running import run
from benchmarks.chaos.scenarios import SCENARIOS, run_scenario
from benchmarks.chaos.setting import Setting


def main() -> int:
    """Run, tell, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each run; 0 for none")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--sample-bytes", type=int, default=8192)
    parser.add_argument("--epochs", type=int, help="default: as many as kills need, two at least")
    parser.add_argument("--ranks", type=int, action="append", help="trainers that share the window; may be repeated")
    parser.add_argument("--faults", type=float, default=0.03, help="chance that a request meets a fault")
    parser.add_argument("--window-share", type=float, default=0.15, help="the window's part of the dataset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--scenario", action="append", choices=["all", *SCENARIOS], help="a fault that does not pass; may be repeated"
    )
    parser.add_argument("--report", action="store_true", help="write a dated report")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    runs = []
    for num_ranks in (args.ranks or [1]) if args.kills else []:
        setting = Setting(
            kills=args.kills,
            num_samples=args.samples,
            sample_bytes=args.sample_bytes,
            epochs=args.epochs or max(2, round(args.kills * 40 / args.samples)),
            num_ranks=num_ranks,
            faults=args.faults,
            window_share=args.window_share,
            seed=args.seed,
        )
        with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder:
            outcome = run(setting, Path(folder))
        runs.append((setting, outcome))
        print(json.dumps(asdict(setting) | asdict(outcome) | {"kept": outcome.kept}, indent=1), flush=True)
    asked = args.scenario or []
    scenes = [run_scenario(name) for name in (SCENARIOS if "all" in asked else asked)]
    for scene in scenes:
        print(f"{'kept' if scene.kept else 'BROKEN'}: {scene.what}: {scene.seen}")
    if args.report:
        command = shlex.join(["python", "-m", "benchmarks.chaos", *sys.argv[1:]])
        print(write_report(runs, scenes, command=command))
    return 0 if all(outcome.kept for _, outcome in runs) and all(scene.kept for scene in scenes) else 1


if __name__ == "__main__":
    sys.exit(main())
