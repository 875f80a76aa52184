"""The signals' run: ``python -m benchmarks.signals --signals 200``; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from platform import machine as architecture

from benchmarks.common.machine import REPORTS, machine
from benchmarks.signals.disturbing import Disturbed, Seen, undisturbed
from benchmarks.signals.subjects import Loop, Run, Subject, served

SIGNALS_A_JOB = 10


def disturb(subject: Subject, signals: int, *, seed: int) -> Seen:
    """Disturb jobs of a subject by as many signals as asked for."""
    wanted, seconds = undisturbed(subject)
    seen = Seen()
    disturbed = Disturbed(subject, wanted, seconds, seed=seed, seen=seen)
    jobs_without = 0
    while seen.num_sent < signals and jobs_without < 3:
        before = seen.num_sent
        disturbed.job(min(SIGNALS_A_JOB, signals - seen.num_sent))
        jobs_without = jobs_without + 1 if seen.num_sent == before else 0
        told = f"{seen.num_sent} signals, {seen.attempts} attempts, {len(seen.broken)} broken"
        print(f"{subject.name}: {told}", flush=True)
    return seen


def main() -> int:
    """Run, tell, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument("--signals", type=int, default=200, help="of all subjects together")
    parser.add_argument(
        "--subject", action="append", choices=("run", "run-early", "run-table", "loop"), help="default: all"
    )
    parser.add_argument("--workers", action="append", type=int, help="default: 0 and 2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=1, help="subjects that are disturbed at the same time")
    parser.add_argument("--report", action="store_true", help="write a dated report")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup all that is started here would ignore it
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="signals-data-") as folder, served(Path(folder)) as url:
        subjects: list[Subject] = []
        for workers in args.workers or (0, 2):
            makers = {
                "run": lambda workers=workers: Run(url=url, workers=workers, early=False),
                "run-early": lambda workers=workers: Run(url=url, workers=workers, early=True),
                "run-table": lambda workers=workers: Run(url=url, workers=workers, early=False, table=True),
                "loop": lambda workers=workers: Loop(url=url, workers=workers),
            }
            subjects += [make() for name, make in makers.items() if name in (args.subject or makers)]
        share = -(-args.signals // len(subjects))
        with ThreadPoolExecutor(args.parallel) as pool:
            asked = [pool.submit(disturb, one, share, seed=args.seed + at) for at, one in enumerate(subjects)]
        results = [(one, done.result()) for one, done in zip(subjects, asked, strict=True)]
    broken = [what for _, seen in results for what in seen.broken]
    text = report(results, seconds=time.monotonic() - began)
    if args.report:
        path = REPORTS / f"signals_{architecture()}_{datetime.now(UTC).date().isoformat()}.md"
        path.write_text(text)
        print(path)
    else:
        print(text)
    return 1 if broken else 0


def report(results: list[tuple[Subject, Seen]], *, seconds: float) -> str:
    """Write what was done and seen as Markdown."""
    where = ", ".join(f"{name} {value}" for name, value in machine("benchmarks.signals").items())
    total = sum(seen.num_sent for _, seen in results)
    lines = ["# Signals to a job and to each of its processes", ""]
    lines += [f"{total} signals in {seconds:.0f} s. {where}.", ""]
    lines += [f"    {shlex.join(['python', '-m', 'benchmarks.signals', *sys.argv[1:]])}", ""]
    lines += [
        "Each attempt is a real process with its children, against a server of its own. Signals come at random",
        "moments, to the process group (as a terminal sends them) or to one process; a job that they end is started",
        "again until it has done all it had to. Then its result must be that of an undisturbed job: of `penstock run`",
        "the weights, every loss and every metric, bit for bit; of a loop over `penstock.Stream` every sample once an",
        "epoch, in order. After each attempt none of its processes may live on; at the end its folder for temporary",
        "files must be empty, and nothing of it in /dev/shm.",
    ]
    for subject, seen in results:
        counts = f"{seen.jobs} jobs, {seen.attempts} attempts, {seen.num_sent} signals."
        lines += ["", f"## {subject.name}", "", counts, ""]
        targets = sorted({target for _, target in seen.sent})
        lines += [f"| signal | {' | '.join(targets)} |", f"|---|{'---:|' * len(targets)}"]
        for name in sorted({name for name, _ in seen.sent}):
            lines.append(f"| {name} | {' | '.join(str(seen.sent[name, target]) for target in targets)} |")
        lines += ["", "| attempts whose last signal was | ended with | times |", "|---|---:|---:|"]
        lines += [f"| {last} | {code} | {count} |" for (last, code), count in sorted(seen.codes.items())]
        lines += ["", *([f"**Broken:** {what.splitlines()[0]}" for what in seen.broken] or ["Every promise was kept."])]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
