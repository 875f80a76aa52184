"""``penstock compare-modes``: the same job in each of its modes, and what each took, in one table.

Each mode is a whole job in a folder of its own; run again, jobs that are done are not done again, and one that was
stopped goes on.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any, cast

from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.manifest.listed import read_listed
from penstock.records import (
    CostReport,
    Evaluation,
    ModesComparison,
    ModeTaken,
    RunRecord,
    StepRecord,
    read_record,
    write_record,
)
from penstock.report.comparing import Compared
from penstock.report.comparing_modes import modes_markdown, modes_table, modes_verdict
from penstock.steps import run as job
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.modes import check_cache, check_store
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.storing import SampleStore
from penstock.steps.options.compare_modes import CompareModesOptions
from penstock.steps.options.run import JobOptions
from penstock.steps.options.train import Mode
from penstock.texts import columns_of

NAME = "compare-modes"

__all__ = ["NAME", "run"]


def run(args: CompareModesOptions) -> int:
    """Run what is left of the job in each mode, and compare."""
    _check(args)
    modes = args.modes.split(",")
    folders = [args.out.absolute() / mode for mode in modes]
    for number, (mode, folder) in enumerate(zip(modes, folders, strict=True), 1):
        sys.stderr.write(f"penstock {NAME}: mode {number} of {len(folders)}, {mode}, in {folder}\n")
        with contextlib.redirect_stdout(io.StringIO()):
            job.run(_job(args, mode, folder))
    found = _compared(args, folders)
    sys.stdout.write(columns_of([modes_table(found).header, *modes_table(found).rows]))
    sys.stdout.write("".join(f"{line}\n" for line in modes_verdict(found)))
    _write(args, found, folders)
    return 0


def _check(args: CompareModesOptions) -> None:
    """Refuse what the modes cannot be compared with.

    Raises:
        PenstockError: it is given, a folder is somebody's, or a file cannot be written.
    """
    if args.mode != "stream":
        raise ConfigError(f"--mode {args.mode} beside --modes", fix="leave --mode out: --modes says which are run")
    if args.stages:
        raise ConfigError("--stages beside --modes", fix="leave --stages out, and compare one stage at a time")
    for flag, value, mode in (("--cache", args.cache, "cache"), ("--store", args.store, "preprocess")):
        if value is not None and mode not in args.modes.split(","):
            raise ConfigError(f"{flag} {value}, and {mode} is none of --modes", fix=f"add {mode}, or leave {flag} out")
    check_cache(args)
    check_store(args)
    read = [path for mode in args.modes.split(",") for path in JobFiles(args.out / mode).records]
    check_outputs(args.html, args.markdown, args.json, inputs=read)


def _job(args: CompareModesOptions, mode: str, folder: Path) -> JobOptions:
    """Return the options of the job in a mode."""
    shared: dict[str, Any] = args.shared_with(JobOptions)
    return JobOptions(**shared).but(
        mode=mode,
        out=folder,
        title=f"{args.title}: {mode}",
        cache=args.cache if mode == "cache" else None,
        store=args.store if mode == "preprocess" else None,
    )


def _compared(args: CompareModesOptions, folders: list[Path]) -> ModesComparison:
    files = [JobFiles(folder) for folder in folders]
    first, scored = read_record(files[0].run_record, RunRecord), read_record(files[0].metrics, Evaluation)
    return ModesComparison(
        task=first.task,
        source=read_listed(files[0].manifest, files[0].plan).info.source.uri,
        model=first.model,
        score=scored.score,
        split=scored.split,
        num_epochs=len(first.epochs),
        modes=tuple(
            _taken(cast("Mode", mode), each, store=args.store)
            for mode, each in zip(args.modes.split(","), files, strict=True)
        ),
    )


def _taken(mode: Mode, files: JobFiles, *, store: Path | None) -> ModeTaken:
    """Return what a job took, by its records."""
    record, scored = read_record(files.run_record, RunRecord), read_record(files.metrics, Evaluation)
    steps = {each.step: each for each in (read_record(path, StepRecord) for path in files.step_records)}
    cost = read_record(files.cost, CostReport)
    meters = [record.meters, scored.meters, *(each.meters for each in steps.values())]
    epochs = [each.stall_seconds + each.compute_seconds + each.valid_seconds for each in record.epochs]
    packed, metric = steps.get("pack"), scored.metrics.get(scored.score)
    return ModeTaken(
        mode=mode,
        folder=str(files.folder),
        list_seconds=steps["list"].wall_seconds if "list" in steps else 0.0,
        preprocess_seconds=packed.wall_seconds if packed is not None else None,
        train_seconds=record.wall_seconds,
        first_epoch_seconds=epochs[0] if epochs else None,
        later_epoch_seconds=sum(epochs[1:]) / len(epochs[1:]) if epochs[1:] else None,
        evaluate_seconds=scored.wall_seconds,
        stall_share=record.stall_share,
        bytes_downloaded=sum(each.bytes_downloaded for each in meters),
        requests=sum(each.count().sent for each in meters),
        reused_bytes=sum(each.reused_bytes for each in meters),
        window_bytes=max(each.window_high_water_bytes for each in meters),
        cache_bytes=max(each.cache_bytes for each in meters),
        store_bytes=SampleStore(store or files.store).used_bytes if mode == "preprocess" else 0,
        usd=float(cost.total_usd),
        unpriced=cost.unpriced,
        score=metric.value if metric is not None else None,
        weights_sha256=record.weights_sha256,
    )


def _write(args: CompareModesOptions, found: ModesComparison, folders: list[Path]) -> None:
    if args.json is not None:
        write_record(args.json, found)
    if args.markdown is not None:
        atomic_write(args.markdown, modes_markdown(found, title=args.title).encode())
    if args.html is None:
        return
    from penstock.report.comparing_page import render_comparison  # here: matplotlib takes a second to import

    runs = [
        Compared(
            label=each.mode,
            place=each.folder,
            evaluation=read_record(JobFiles(folder).metrics, Evaluation),
            run=read_record(JobFiles(folder).run_record, RunRecord),
        )
        for each, folder in zip(found.modes, folders, strict=True)
    ]
    page = render_comparison(
        runs, title=args.title, tables=[("What each mode took", modes_table(found))], warnings=modes_verdict(found)[1:],
        notes=modes_verdict(found)[:1],
    )  # fmt: skip
    atomic_write(args.html, page.encode())
    sys.stdout.write(f"page {args.html}\n")
