"""Measure how much of the gap between two domains of EEG each way of adaptation closes, on planted shifts.

python -m benchmarks.adaptation     # half an hour; writes a dated report

Reaction times are learnt on R1. The second half of the subjects becomes R3, whose recordings are shifted: channels are
mixed with their neighbours, and have gains, offsets and noise of their own. Each network is scored on subjects of R3
that none was trained on.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine, plain_options
from benchmarks.common.processes import usual_environment
from penstock.demo.generate import generate_dataset
from penstock.train.adaptation import WEIGHTS

CHANNELS, TRIALS = 8, 24
WIDTH_BYTES = 3
STEPS_A_MICROVOLT = 2**24 / 16383
"""Of the demo's BDF files: -8192 to 8191 microvolts in 24 bits."""
WAYS = ("source only", "dann", "mmd", "coral", "supervised target")


def make(folder: Path, *, subjects: int, shift: float) -> tuple[list[str], list[str]]:
    """Write two releases, the second one shifted; return the subjects of each."""

    def put(key: str, data: bytes) -> None:
        path = folder / key.replace("R2_", "R3_")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    size = WIDTH_BYTES * CHANNELS * 100 * TRIALS * 3 * subjects
    generate_dataset(put, effect=0.95, size_bytes=size, num_releases=2, num_trials=TRIALS, num_channels=CHANNELS)
    chance = np.random.default_rng(4)
    mixing = (1 - shift / 2) * np.eye(CHANNELS) + shift / 2 * np.roll(np.eye(CHANNELS), 1, axis=0)
    mixing = np.exp(shift * chance.normal(size=(CHANNELS, 1))) * mixing
    for path in sorted((folder / "R3_L100_bdf").rglob("*_eeg.bdf")):
        shift_recording(path, mixing, chance, noise_microvolts=10 * shift)
    return named(folder, "R1"), named(folder, "R3")


def shift_recording(path: Path, mixing: np.ndarray, chance: np.random.Generator, *, noise_microvolts: float) -> None:
    """Mix the channels of a BDF file of one-second records at 100 Hz, and add offsets and noise."""
    data = path.read_bytes()
    head = 256 * (CHANNELS + 1)
    raw = np.frombuffer(data[head:], np.uint8).reshape(-1, CHANNELS, 100, WIDTH_BYTES)
    wide = np.zeros((*raw.shape[:3], 4), np.uint8)
    wide[..., 1:] = raw
    values = (wide.view("<i4")[..., 0] >> 8).astype(float)
    mixed = np.einsum("ij,rjt->rit", mixing, values)
    mixed += STEPS_A_MICROVOLT * chance.normal(0, 20, (1, CHANNELS, 1))
    mixed += STEPS_A_MICROVOLT * chance.normal(0, noise_microvolts, mixed.shape)
    whole = np.rint(mixed).clip(-(2**23), 2**23 - 1).astype("<i4")
    path.write_bytes(data[:head] + whole[..., None].view(np.uint8)[..., :WIDTH_BYTES].tobytes())


def named(folder: Path, release: str) -> list[str]:
    """Return the subjects of a release."""
    return sorted({path.name.partition("_")[0] for path in (folder / f"{release}_L100_bdf").rglob("*_eeg.bdf")})


def penstock(*words: object) -> None:
    """Run a step."""
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, words)], cwd=REPOSITORY, env=usual_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)


def score(
    data: Path, out: Path, way: str, people: tuple[list[str], list[str]], options: argparse.Namespace, seed: int
) -> float:
    """Train one network and return its NRMSE on the target's test subjects."""
    source, target = people
    held = len(target) // 3
    train = {"source only": source, "supervised target": [*source, *target[held:]]}.get(way, source)
    lists = {"train-subjects": train, "test-subjects": target[:held]}
    adapt: list[object] = []
    if way in ("dann", "mmd", "coral"):
        lists["target-subjects"] = target[held:]
        weight = getattr(options, way)
        adapt = ["--adapt", way, *(("--adapt-weight", weight) if weight else ())]
    files = ("--manifest", out / "m.parquet", "--plan", out / "p.json")
    asked = [word for name, who in lists.items() for word in ("--option", f"{name}={','.join(who)}")]
    penstock("list", "--task", "eeg-c1", "--source", data, "--split", "1,0,0", *asked, *files, "--option",
             "normalize=microvolts", "--seed", seed)  # fmt: skip
    penstock("train", *files, "--epochs", options.epochs, "--batch-size", 64, "--learning-rate", 0.003, "--threads", 1,
             "--checkpoints", out / "c", "--record", out / "run.json", *adapt)  # fmt: skip
    penstock("evaluate", *files, "--checkpoint", out / "c", "--split", "test", "--metrics", out / "e.json")
    return float(json.loads((out / "e.json").read_text())["metrics"]["nrmse"]["value"])


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    text = [
        "# Domain adaptation of EEG",
        "",
        f"Reaction times (`eeg-c1`) of {raw['subjects']} generated subjects, half of them in a release whose "
        "recordings are shifted: channels mixed, with gains, offsets and noise. Scored on a third of the target's "
        "subjects, which no network was trained on; 1 is predicting the mean. The network is the small one, trained "
        f"for {raw['options']['epochs']} epochs; the last one counts. The weights were chosen by runs like these on "
        "other draws of the shift.",
    ]
    for shift, scores in raw["scores"].items():
        text += ["", f"## Shifted by {shift}", "", *markdown.table(rows(scores, raw["options"]))]
    return "\n".join([*text, "", *markdown.machine_words(raw)]) + "\n"


def rows(scores: dict[str, list[float]], options: dict[str, Any]) -> list[list[str]]:
    """Return the table of one shift."""
    worst, best = mean(scores["source only"]), mean(scores["supervised target"])
    table = [["trained on", "NRMSE on the target, each seed", "mean", "part of the gap closed"]]
    for way in WAYS:
        found = scores[way]
        closed = "" if way in ("source only", "supervised target") else f"{(worst - mean(found)) / (worst - best):.0%}"
        weight = options.get(way) or WEIGHTS.get(way)
        what = way if not closed else f"source, and the target without labels, {way} (weight {weight:g})"
        table.append([what, ", ".join(f"{each:.3f}" for each in found), f"{mean(found):.3f}", closed])
    return table


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptation", description=__doc__)
    parser.add_argument("--subjects", type=int, default=36)
    parser.add_argument("--shifts", default="0.6,0.8", metavar="X,X")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    for way in WEIGHTS:
        parser.add_argument(f"--{way}", type=float, metavar="WEIGHT", help="in place of the method's own")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    options = parser.parse_args()
    raw: dict[str, Any] = {"machine": machine("benchmarks.adaptation"), "options": plain_options(vars(options))}
    raw["scores"] = {}
    for shift in options.shifts.split(","):
        scores = raw["scores"][shift] = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory(prefix="penstock-adaptation-", dir=options.work) as made:
            people = make(Path(made) / "data", subjects=options.subjects, shift=float(shift))
            for seed, way in itertools.product(range(options.seeds), WAYS):
                out = Path(made) / f"{way.replace(' ', '-')}-{seed}"
                out.mkdir()
                scores[way].append(score(Path(made) / "data", out, way, people, options, seed))
                sys.stderr.write(f"shift {shift}, seed {seed}, {way}: {scores[way][-1]:.3f}\n")
        raw["subjects"] = sum(map(len, people))
    raw["runs"] = [{"load_average": raw["machine"]["load_average_1_minute"]}]
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"adaptation_{cpu_slug(str(raw['machine']['cpu']))}_{day}.md"
    path.write_text(render(raw))
    sys.stderr.write(f"report: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
