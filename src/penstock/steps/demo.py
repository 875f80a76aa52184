"""``penstock demo``: the whole job on a generated dataset, served by an S3 server of its own.

The dataset has the layout that a task's datasets truly have and an effect of known size, so what the best possible
model would score, or what guessing does, is known, and is told beside the score.
"""

from __future__ import annotations

import sys
from pathlib import Path

from penstock.demo.kinds import KINDS, Kind
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


def run(args: DemoOptions) -> int:
    """Generate, serve, run the job, and compare its score with the best possible one."""
    kind = KINDS[args.task]
    size_bytes, window_bytes = args.size or kind.size_bytes, args.window_size or kind.window_bytes
    kind.check_size(size_bytes)
    out = _fresh_folder(args.out)
    if out != args.out:
        sys.stdout.write(f"{args.out} is kept as it is; this demo goes into {out}\n")
    with TemporaryFolder("penstock-demo-") as bucket:
        told, num_bytes = _generate(bucket, kind, args, size_bytes)
        link = f", over a link of {format_bytes(args.link)}/s" if args.link else ""
        sys.stdout.write(
            f"generated {told}, {format_bytes(num_bytes)}, in s3://{BUCKET}/{kind.prefix}; "
            f"the window is {format_bytes(window_bytes)}{link}\n"
        )
        sys.stdout.flush()
        with serve_s3(bucket, link_bytes_per_second=args.link) as url:
            try:
                code = run_step.run(_job(args, kind, out, url))
            except Interrupted as error:
                raise Interrupted(error.what, fix="run the same command again: the demo begins anew") from None
    found = read_record(JobFiles(out.absolute()).metrics, Evaluation)
    score = metric_text(found.metrics.get(found.score))
    sys.stdout.write(f"{'planted bound':>14}  {kind.bound(args.effect)}; this model: {score}\n")
    return code


def _generate(bucket: Path, kind: Kind, args: DemoOptions, size_bytes: int) -> tuple[str, int]:
    """Write the dataset, and return what it holds and how many bytes it has."""
    written = 0
    with open_progress().stage("generate", size_bytes, "bytes") as stage:

        def put(key: str, data: bytes) -> None:
            nonlocal written
            path = bucket / kind.prefix / key
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except OSError as error:
                raise map_os_error(error, f"the dataset in {bucket} (TMPDIR)") from error
            stage.advance(len(data))
            written += len(data)

        return kind.generate(put, seed=args.seed, effect=args.effect, size_bytes=size_bytes), written


def _job(args: DemoOptions, kind: Kind, out: Path, url: str) -> JobOptions:
    """Return the options of `penstock run` as a newcomer would type them."""
    return JobOptions(
        source=f"s3://{BUCKET}/{kind.prefix}",
        endpoint_url=url,
        region=REGION,
        anonymous=True,
        out=out,
        window_size=args.window_size or kind.window_bytes,
        epochs=args.epochs or kind.epochs,
        task=args.task,
        option=kind.options,
        split=kind.split,
        model=args.model or kind.model,
        batch_size=kind.batch_size,
        learning_rate=kind.learning_rate,
        seed=args.seed,
        threads=1,
        title="Penstock demo",
        instance_type=args.instance_type,
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
