"""``penstock demo``: the whole job on a generated dataset, served by an S3 server of its own.

The dataset has the layout of the 2025 EEG challenge and an effect of known size, so what the best possible model
would score is known, and the score is told beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from penstock.demo.generate import DemoDataset, generate_dataset, planted_bound
from penstock.demo.server import BUCKET, CREDENTIALS, REGION, connect, serve_s3
from penstock.errors import ConfigError
from penstock.observe import open_progress
from penstock.records import Evaluation, read_record
from penstock.steps import common
from penstock.steps import run as run_step
from penstock.steps.job_files import JobFiles
from penstock.units import format_bytes

NAME = "demo"
HELP = "the whole job on a generated dataset, from a server of its own"

__all__ = ["HELP", "NAME", "add_arguments", "run"]

PREFIX = "NeurIPS25"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    parser.add_argument("--out", type=Path, default=Path("penstock-demo"), metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--effect",
        type=_effect,
        default=0.9,
        metavar="X",
        help="size of the planted effect, 0 (nothing to learn) to 1 (default: 0.9)",
    )
    parser.add_argument("--task", choices=("eeg-c1", "eeg-c2"), default="eeg-c1", help="challenge (default: eeg-c1)")
    parser.add_argument(
        "--size",
        type=common.bytes_option,
        default=300_000_000,
        metavar="SIZE",
        help="size of the dataset (default: 300M)",
    )
    parser.add_argument(
        "--window-size",
        type=common.bytes_option,
        default=32 << 20,
        metavar="SIZE",
        help="bound of the window (default: 32Mi)",
    )
    parser.add_argument("--epochs", type=common.positive_int, default=5, metavar="N", help="passes over the data")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of dataset, order and weights (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Generate, serve, run the job, and compare its score with the best possible one."""
    out = _fresh_folder(args.out)
    os.environ.update(CREDENTIALS)
    with serve_s3() as url:
        dataset = _upload(url, args)
        sys.stdout.write(
            f"generated {dataset.num_trials} trials, {format_bytes(dataset.size_bytes)}, in s3://{BUCKET}/{PREFIX}; "
            f"the window is {format_bytes(args.window_size)}\n"
        )
        sys.stdout.flush()
        code = run_step.run(_job(args, out, url))
    found = read_record(JobFiles(out.absolute()).metrics, Evaluation)
    score = found.metrics[found.score]
    bound = planted_bound(args.effect)
    sys.stdout.write(
        f"{'planted bound':>14}  {found.score} {bound:.4f} is the best possible, 1.0 is predicting the mean; "
        f"this model: {score:.4f}\n"
    )
    return code


def _upload(url: str, args: argparse.Namespace) -> DemoDataset:
    client = connect(url)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    with open_progress().stage("generate", args.size, "bytes") as stage:

        def put(key: str, data: bytes) -> None:
            client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=data)
            stage.advance(len(data))

        return generate_dataset(put, seed=args.seed, effect=args.effect, size_bytes=args.size)


def _job(args: argparse.Namespace, out: Path, url: str) -> argparse.Namespace:
    """Give the options of `penstock run` as a newcomer would type them."""
    parser = argparse.ArgumentParser()
    run_step.add_arguments(parser)
    words = ["--source", f"s3://{BUCKET}/{PREFIX}", "--endpoint-url", url, "--region", REGION, "--task", args.task]
    words += ["--out", str(out), "--window-size", str(args.window_size), "--epochs", str(args.epochs)]
    words += ["--seed", str(args.seed), "--threads", "1", "--title", "Penstock demo"]
    job = parser.parse_args(words)
    job.step, job.verbose = "run", args.verbose
    return job


def _fresh_folder(asked: Path) -> Path:
    """Give the folder, or one with a number behind its name where it holds something: nothing is overwritten."""
    for number in range(1, 10_000):
        folder = asked if number == 1 else asked.with_name(f"{asked.name}-{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
    raise ConfigError(f"{asked} and its numbered neighbours are all taken", fix="choose another --out")


def _effect(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value
