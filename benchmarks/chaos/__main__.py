"""The chaos run: ``python -m benchmarks.chaos --kills 20``; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos.server import object_bytes, object_etag
from penstock.plan import make_order, stream_rows
from penstock.records import ManifestReader, ManifestWriter, Plan, Sample, SourceSpec, Span, StreamSpec, encode_record
from penstock.window import Prefetcher
from penstock.window.folder import used_bytes

REPORTS = Path(__file__).parents[1] / "reports"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is run; ``window_share`` is the window's part of the dataset."""

    kills: int
    num_samples: int
    sample_bytes: int
    epochs: int
    faults: float
    window_share: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was seen."""

    samples_due: int
    samples_counted: int
    lost: int
    repeated: int
    out_of_order: int
    wrong_bytes: int
    trainer_kills: int
    prefetcher_kills: int
    attempts: int
    window_bytes: int
    peak_bytes: int
    seconds: float
    server: dict[str, int]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        broken = self.lost + self.repeated + self.out_of_order + self.wrong_bytes
        return not broken and self.samples_counted == self.samples_due and self.peak_bytes <= self.window_bytes


@contextlib.contextmanager
def served(setting: Setting) -> Iterator[tuple[str, dict[str, int]]]:
    """Serve the objects; give the URL, and counts that are filled at the end."""
    counts: dict[str, int] = {}
    words = [setting.num_samples, setting.sample_bytes, setting.faults, setting.seed]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.chaos.server", *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}", counts
    finally:
        process.stdin.close()
        line = process.stdout.readline()
        counts |= json.loads(line.replace("'", '"')) if line else {}
        process.wait(10)


def make_dataset(folder: Path, url: str, setting: Setting) -> tuple[Path, StreamSpec]:
    """Write the manifest of what the server has, and what the trainer asks for."""
    manifest = folder / "manifest.parquet"
    with ManifestWriter(manifest) as writer:
        for number in range(setting.num_samples):
            span = Span(
                object=f"{number:06}.bin",
                etag=object_etag(number, setting.sample_bytes),
                object_bytes=setting.sample_bytes,
                offset=0,
                length_bytes=setting.sample_bytes,
            )
            sample = Sample(key=f"{number:06}", group=f"{number}", spans=(span,), target=None, decode="", args=())
            writer.add(sample, split="train")
        info = writer.finish(
            task="objects",
            task_options={},
            source=SourceSpec(uri="s3://chaos", endpoint_url=url, anonymous=True),
            seed=setting.seed,
            shape=(),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00Z",
            created_by="chaos",
        )
    plan = Plan(manifest_fingerprint=info.fingerprint, seed=setting.seed, num_lanes=64, shuffle=True)
    order = make_order(info, plan, [("train", True)])
    spec = StreamSpec(
        session="",
        manifest=str(manifest),
        manifest_fingerprint=info.fingerprint,
        plan_fingerprint=plan.fingerprint,
        order=order,
        first_index=0,
        end_index=order.num_samples * setting.epochs,
        num_ranks=1,
        batch_samples=1,
    )
    return manifest, spec


class Peak:
    """Samples what a folder holds, in a thread, for as long as the block runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="penstock-peak-0")
        self.peak_bytes = 0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            with contextlib.suppress(OSError):
                self.peak_bytes = max(self.peak_bytes, used_bytes(self._folder))


def run(setting: Setting, folder: Path) -> Outcome:
    """Read the whole stream while both sides are killed at random moments."""
    chance = random.Random(setting.seed)
    window_bytes = int(setting.num_samples * setting.sample_bytes * setting.window_share)
    window, journal, checkpoint = folder / "window", folder / "journal", folder / "checkpoint"
    window.mkdir()
    started, trainer_kills, prefetcher_kills, attempts = time.monotonic(), 0, 0, 0
    with served(setting) as (url, counts):
        manifest, spec = make_dataset(folder, url, setting)
        (folder / "spec.json").write_bytes(encode_record(spec))
        words = [sys.executable, "-m", "benchmarks.chaos.trainer", str(window), str(folder / "spec.json")]
        words += [str(journal), str(checkpoint)]
        with Prefetcher(window, window_bytes) as prefetcher, Peak(window) as peak:
            while True:
                attempts += 1
                trainer = subprocess.Popen(words)
                while trainer.poll() is None and trainer_kills + prefetcher_kills < setting.kills:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        trainer.wait(chance.uniform(0.05, 1.5))
                        break
                    if chance.random() < 0.5:
                        trainer_kills += 1
                        trainer.kill()
                    else:
                        prefetcher_kills += 1
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(prefetcher.pid, signal.SIGKILL)
                if trainer.wait() == 0 or attempts > setting.kills + 50:
                    break
    lost, repeated, disorder, wrong, counted = check(journal, manifest, spec, setting)
    return Outcome(
        samples_due=spec.end_index,
        samples_counted=counted,
        lost=lost,
        repeated=repeated,
        out_of_order=disorder,
        wrong_bytes=wrong,
        trainer_kills=trainer_kills,
        prefetcher_kills=prefetcher_kills,
        attempts=attempts,
        window_bytes=window_bytes,
        peak_bytes=peak.peak_bytes,
        seconds=time.monotonic() - started,
        server=counts,
    )


def check(journal: Path, manifest: Path, spec: StreamSpec, setting: Setting) -> tuple[int, int, int, int, int]:
    """Compare what the trainer was given with the plan: lost, repeated, out of order, wrong, counted."""
    given: list[tuple[int, str, str]] = []
    last_attempt = 0
    for line in journal.read_text().splitlines():
        attempt, index, key, digest = line.split(" ") if line.count(" ") == 3 else ("0", "0", "", "")
        if int(attempt) != last_attempt:
            # A new attempt begins at the saved place: what the killed one read past it does not count.
            given = given[: next((n for n, item in enumerate(given) if item[0] >= int(index)), len(given))]
            last_attempt = int(attempt)
        given.append((int(index), key, digest))
    with ManifestReader(manifest) as reader:
        wanted = [(index, reader.row(row).key) for index, row in stream_rows(spec.order, 0, spec.end_index)]
    digests = {
        f"{n:06}": hashlib.sha256(object_bytes(n, setting.sample_bytes)).hexdigest() for n in range(setting.num_samples)
    }
    indices = [index for index, _, _ in given]
    lost = len(set(range(spec.end_index)) - set(indices))
    repeated = len(indices) - len(set(indices))
    disorder = sum(one[:2] != other for one, other in zip(given, wanted, strict=False))
    wrong = sum(digests.get(key) != digest for _, key, digest in given)
    return lost, repeated, disorder, wrong, len(given)


def write_report(setting: Setting, outcome: Outcome) -> Path:
    """Write the dated report of a run."""
    day = datetime.now(UTC).date().isoformat()
    path = REPORTS / f"chaos_{platform.machine()}_{day}.md"
    lines = ["# Chaos run", "", f"{day}, {os.cpu_count()} CPUs, Python {platform.python_version()}.", ""]
    lines += ["| setting | value |", "|---|---:|", *(f"| {k} | {v} |" for k, v in asdict(setting).items()), ""]
    shown = asdict(outcome) | {"seconds": round(outcome.seconds, 1)}
    faults = shown.pop("server")
    lines += ["| seen | value |", "|---|---:|", *(f"| {k} | {v} |" for k, v in shown.items()), ""]
    lines += ["| the server answered with | times |", "|---|---:|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(faults.items())]
    lines += ["", "Every promise was kept." if outcome.kept else "**A promise was broken.**"]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> int:
    """Run, tell, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--sample-bytes", type=int, default=16_384)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--faults", type=float, default=0.02, help="chance that a request meets a fault")
    parser.add_argument("--window-share", type=float, default=0.15, help="the window's part of the dataset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", action="store_true", help="write a dated report")
    args = parser.parse_args()
    setting = Setting(
        kills=args.kills,
        num_samples=args.samples,
        sample_bytes=args.sample_bytes,
        epochs=args.epochs,
        faults=args.faults,
        window_share=args.window_share,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder:
        outcome = run(setting, Path(folder))
    print(json.dumps(asdict(outcome), indent=1))
    if args.report:
        print(write_report(setting, outcome))
    return 0 if outcome.kept else 1


if __name__ == "__main__":
    sys.exit(main())
