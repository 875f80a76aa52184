"""``penstock run``: list, prefetch, train, evaluate and report, in one command and one folder.

Each step gets the config that a pipeline's argv would be. A job that was stopped, however hard, goes on when the
same command is run again: steps that are done are not done again, training goes on from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from penstock.errors import ConfigError, OutputError, PenstockError, RecordError
from penstock.manifest import SPLITS, parts_folder, read_listing_record
from penstock.manifest.listed import read_listed
from penstock.observe.attempts import AttemptLog, ending_of
from penstock.observe.trackers import check_libraries
from penstock.options import Options
from penstock.owning import JOB_MARK, Hold, claim_folder, is_held_by
from penstock.plan.split import check_fractions
from penstock.recipes.registry import choose_model
from penstock.records import JOB, JobRecord, RunRecord, read_record
from penstock.steps._shared.budgeting import check_budget, evaluation_within
from penstock.steps._shared.forecasting.of_job import check_forecast, forecast_job
from penstock.steps._shared.job_attempts import job_attempt
from penstock.steps._shared.job_dataset import JobDataset, dataset_of
from penstock.steps._shared.job_files import JobFiles, describe
from penstock.steps._shared.job_identity import begin_job, job_options
from penstock.steps._shared.job_steps import (
    evaluate_options,
    feeding,
    list_options,
    report_options,
    train_options,
)
from penstock.steps._shared.modes import Listing, check_cache, check_store, in_mode, listing_of, stored
from penstock.steps._shared.preflight import Intended, check_fit, refuse, room_of
from penstock.steps._shared.pricing import warn_of_prices
from penstock.steps._shared.shuffling import check_shuffle_options
from penstock.steps._shared.stages import run_stages
from penstock.steps._shared.step_budget import step_within
from penstock.steps._shared.train_config import check_learning, train_config
from penstock.steps.options.run import JobOptions
from penstock.stream_listing import ListingProcess
from penstock.tasks.registry import window_bytes_of
from penstock.train.options import DeviceName
from penstock.window import check_room, remove_window

NAME = "run"

__all__ = ["NAME", "run"]


def run(args: JobOptions) -> int:
    """Do what is left of the job, or of each of its stages, and sum it up."""
    if args.stages:
        return run_stages(args, run)
    warn_of_prices(args)
    dataset = dataset_of(args)
    task = dataset.args.task
    args = dataset.args.but(model=choose_model(task, args.model), window_size=window_bytes_of(task, args.window_size))
    files = JobFiles(args.out.absolute())
    args = in_mode(args, files)
    _check_options(args, dataset, args.window or files.window)
    with _locked(files.folder):
        job = begin_job(files, args, dataset_sha256=dataset.sha256)
        with job_attempt(files, args.instance_type, is_done=_is_done(files, args)) as attempts:
            with _listed(files, args, attempts):
                if not args.stream_listing:
                    _check_listing(files, args, dataset)
                    with _doing(attempts, "forecast", args.forecast):
                        forecast_job(files, args, start_seconds=attempts.own_seconds(JOB))
                _train_and_report(files, args, job, dataset, attempts)
            _report(files, args, attempts)
        if args.window is None:
            remove_window(files.window)
    sys.stdout.write(describe(files))
    return 0


def _check_options(args: JobOptions, dataset: JobDataset, window: Path) -> None:
    """Refuse what no step could do, before there is anything.

    Args:
        window: folder that steps read through.

    Raises:
        PenstockError: all that cannot be done.
    """
    checks: list[Callable[[], object]] = [
        lambda: train_config(args, task=args.task, seed=args.seed),
        lambda: check_learning(args, task=args.task),
        lambda: check_fractions(args.split),
        lambda: check_shuffle_options(args),
        lambda: job_options(args, dataset_sha256=dataset.sha256),
        lambda: None if dataset.is_split else _check_test_split(args.split),
        lambda: _check_device(args.device),
        lambda: check_libraries(args.track),
        lambda: check_budget(args, args),
        lambda: check_forecast(args),
        lambda: None if args.prefetch == "sidecar" else check_room(window, args.window_bytes),
        lambda: check_cache(args),
        lambda: check_store(args),
    ]
    found: list[PenstockError] = []
    for check in checks:
        try:
            check()
        except PenstockError as error:
            found.append(error)
    refuse(found)


def _check_test_split(fractions: Sequence[float]) -> None:
    if len(fractions) == len(SPLITS) and not fractions[-1]:
        raise ConfigError(
            f"--split {','.join(map(str, fractions))} leaves no test split, which the job ends with a score of",
            fix="write it like 0.8,0.1,0.1",
        )


def _check_device(name: DeviceName) -> None:
    if name == "cuda":
        from penstock.train.device import choose_device  # here: torch takes a second, which a listing need not wait for

        choose_device(name)


def _check_listing(files: JobFiles, args: JobOptions, dataset: JobDataset) -> None:
    """Refuse a dataset that training or evaluation could not go through with these options."""
    room = room_of(args.window, args.window_bytes, args.prefetch, files.manifest)
    wanted = Intended(
        room=room,
        batch_size=args.batch_size,
        workers=args.workers,
        model=args.model,
        evaluated=dataset.evaluated,
    )
    check_fit(read_listed(files.manifest, files.plan), wanted)


@contextlib.contextmanager
def _listed(files: JobFiles, args: JobOptions, attempts: AttemptLog) -> Iterator[None]:
    """List in a process of its own: the S3 client must not be used in one that forks workers later.

    With ``--stream-listing`` the listing goes on within the block, which follows it; it is ended with the block.
    """
    if _is_listed(files, early=args.stream_listing):
        yield
        return
    early = args.stream_listing
    with ListingProcess(list_options(files, args), is_shown=not early, is_outlived=not early) as listing:
        with attempts.doing("list"):
            if early:
                listing.begin()
            else:
                with step_within(files, args, attempts, "list"):
                    listing.whole()
        yield


def _is_listed(files: JobFiles, *, early: bool) -> bool:
    """Tell whether an earlier attempt listed to the end."""
    if not early:
        return files.manifest.exists() and files.plan.exists()
    record = read_listing_record(parts_folder(files.manifest))
    return record is not None and record.whole is not None


def _train_and_report(
    files: JobFiles, args: JobOptions, job: JobRecord, dataset: JobDataset, attempts: AttemptLog
) -> None:
    """Train and evaluate; a failed training is still reported, with what it cost."""
    with _doing(attempts, "pack", args.mode == "preprocess"):
        read = _stored(files, args, attempts)
    try:
        if not _is_trained(files, args):
            files.metrics.unlink(missing_ok=True)
            asked = train_options(files, args, job, transform=dataset.transform, read=read)
            _quietly("train", asked.but(attempts=attempts), attempts)
        if not files.metrics.exists():
            with evaluation_within(files, args, attempts) as most_requests:
                wanted = evaluate_options(files, args, dataset, read=read)
                _quietly("evaluate", wanted.but(most_requests=most_requests()), attempts)
    except PenstockError as error:
        if files.run_record.exists():
            _report(files, args, attempts, error)
        raise


def _stored(files: JobFiles, args: JobOptions, attempts: AttemptLog) -> Listing:
    """Store samples where the mode is so; give what is read from then on."""
    if args.mode != "preprocess":
        return listing_of(files)
    with step_within(files, args, attempts, "pack") as most_requests:
        return stored(feeding(files, args), files, most_requests=most_requests)


def _is_done(files: JobFiles, args: JobOptions) -> bool:
    """Tell whether an earlier attempt did all but the report."""
    return _is_listed(files, early=args.stream_listing) and _is_trained(files, args) and files.metrics.exists()


def _is_trained(files: JobFiles, args: JobOptions) -> bool:
    """Tell whether an earlier attempt trained to the end, and no more was asked for since."""
    try:
        record = read_record(files.run_record, RunRecord)
    except RecordError:
        return False
    asked = {"num_epochs": args.epochs, "patience": args.patience or None, "max_steps": args.max_steps or None}
    return record.state == "succeeded" and all(record.config.get(name) == value for name, value in asked.items())


def _report(files: JobFiles, args: JobOptions, attempts: AttemptLog, error: PenstockError | None = None) -> None:
    """Make the report, of an attempt that an error ends, or that has nothing else to do."""
    asked = report_options(files, args).but(attempts=attempts, ended=ending_of(error))
    _quietly("report", asked, attempts)


def _doing(attempts: AttemptLog, step: str, is_done: bool) -> contextlib.AbstractContextManager[None]:
    """Count a block's time as a step's, where it does that step."""
    return attempts.doing(step) if is_done else contextlib.nullcontext()


def _quietly(step: str, options: Options, attempts: AttemptLog) -> None:
    """Do a step in this process: the job sums up at its end."""
    with attempts.doing(step), contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(f"penstock.steps.{step}").run(options)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have the job's folder for this process, where it is a job's at all.

    Raises:
        NotOurs: it holds what Penstock did not put there; nothing of it was touched.
        OutputError: another `penstock run` works in it.
        DiskFull, OutputUnwritable: it cannot be used.
    """
    handle = claim_folder(folder, JOB_MARK, what="--out", is_shared=False)
    hold = Hold.take(handle, 0)
    if hold is None:
        os.close(handle)
        _, holder = is_held_by(folder / JOB_MARK, 0)
        raise OutputError(
            f"another `penstock run` works in {folder}" + (f" ({holder})" if holder else ""),
            fix="wait for it, or choose another --out",
            about=str(folder),
        )
    with contextlib.closing(hold):
        yield
