"""``penstock demo``: the whole job on a generated dataset, served by an S3 server of its own.

The dataset has the layout of the 2025 EEG challenge and an effect of known size, so what the best possible model
would score is known, and the score is told beside it.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from penstock.demo.generate import MIN_SUBJECTS, DemoDataset, generate_dataset, planted_bound, recording_bytes
from penstock.demo.server import BUCKET, REGION, serve_s3
from penstock.errors import ConfigError, Interrupted, map_os_error
from penstock.observe import open_progress
from penstock.observe.labels import metric_text
from penstock.records import Evaluation, read_record
from penstock.steps import run as run_step
from penstock.steps._shared.job_files import JobFiles
from penstock.steps.options.demo import DemoOptions
from penstock.steps.options.run import JobOptions
from penstock.temporary import TemporaryFolder
from penstock.units import format_bytes

NAME = "demo"

__all__ = ["NAME", "run"]

PREFIX = "NeurIPS25"


def run(args: DemoOptions) -> int:
    """Generate, serve, run the job, and compare its score with the best possible one."""
    _check_size(args.size)
    out = _fresh_folder(args.out)
    if out != args.out:
        sys.stdout.write(f"{args.out} is kept as it is; this demo goes into {out}\n")
    with TemporaryFolder("penstock-demo-") as bucket:
        dataset = _generate(bucket, args)
        link = f", over a link of {format_bytes(args.link)}/s" if args.link else ""
        sys.stdout.write(
            f"generated {dataset.num_trials:,} trials, {format_bytes(dataset.size_bytes)}, in s3://{BUCKET}/{PREFIX}; "
            f"the window is {format_bytes(args.window_size)}{link}\n"
        )
        sys.stdout.flush()
        with serve_s3(bucket, link_bytes_per_second=args.link) as url:
            try:
                code = run_step.run(_job(args, out, url))
            except Interrupted as error:
                raise Interrupted(error.what, fix="run the same command again: the demo begins anew") from None
    found = read_record(JobFiles(out.absolute()).metrics, Evaluation)
    score = metric_text(found.metrics.get(found.score))
    bound = planted_bound(args.effect)
    sys.stdout.write(
        f"{'planted bound':>14}  {found.score} {bound:.4f} is the best possible, 1.0 is predicting the mean; "
        f"this model: {score}\n"
    )
    return code


def _check_size(size_bytes: int) -> None:
    """Refuse a dataset that would be much larger than was asked for.

    Raises:
        ConfigError: it is below the smallest one that can be made.
    """
    least = MIN_SUBJECTS * recording_bytes()
    if size_bytes < 0.9 * least:
        raise ConfigError(
            f"--size of {format_bytes(size_bytes)}: the smallest dataset, {MIN_SUBJECTS} subjects, takes "
            f"{format_bytes(least)}",
            fix=f"pass --size {math.ceil(least / 1e6)}M or more",
        )


def _generate(bucket: Path, args: DemoOptions) -> DemoDataset:
    with open_progress().stage("generate", args.size, "bytes") as stage:

        def put(key: str, data: bytes) -> None:
            path = bucket / PREFIX / key
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except OSError as error:
                raise map_os_error(error, f"the dataset in {bucket} (TMPDIR)") from error
            stage.advance(len(data))

        return generate_dataset(put, seed=args.seed, effect=args.effect, size_bytes=args.size)


def _job(args: DemoOptions, out: Path, url: str) -> JobOptions:
    """Return the options of `penstock run` as a newcomer would type them."""
    return JobOptions(
        source=f"s3://{BUCKET}/{PREFIX}",
        endpoint_url=url,
        region=REGION,
        anonymous=True,
        out=out,
        window_size=args.window_size,
        epochs=args.epochs,
        task=args.task,
        model=args.model,
        seed=args.seed,
        threads=1,
        title="Penstock demo",
        source_prices="s3",  # its own server costs nothing: the bill is what S3 would cost
        verbose=args.verbose,
    )


def _fresh_folder(asked: Path) -> Path:
    """Return the folder, or one with a number behind its name where it holds something: nothing is overwritten."""
    for number in range(1, 10_000):
        folder = asked if number == 1 else asked.with_name(f"{asked.name}-{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
    raise ConfigError(f"{asked} and its numbered neighbours are all taken", fix="choose another --out")
