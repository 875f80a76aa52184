"""``penstock run``: list, prefetch, train, evaluate and report, in one command and one folder.

Each step gets the argv that a pipeline would give it. A job that was stopped, however hard, goes on when the
same command is run again: steps that are done are not done again, training goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError, OutputError, PenstockError, RecordError
from penstock.manifest import SPLITS, ManifestReader, parts_folder, read_listing_record
from penstock.owning import JOB_MARK, Hold, claim_folder, is_held_by
from penstock.plan.split import check_fractions
from penstock.recipes.registry import choose_model
from penstock.records import JobRecord, Plan, RunRecord, read_record
from penstock.steps._shared.job_files import JobFiles, describe
from penstock.steps._shared.job_identity import begin_job, job_options
from penstock.steps._shared.preflight import Wanted, check_fit, refuse, room_of
from penstock.steps._shared.pricing import warn_of_prices
from penstock.steps._shared.shuffling import check_shuffle_options
from penstock.steps._shared.train_config import train_config
from penstock.stream_listing import ListingProcess
from penstock.train.config import DeviceName
from penstock.window import remove_window

NAME = "run"

__all__ = ["NAME", "run"]


def run(args: argparse.Namespace) -> int:
    """Do what is left of the job, and sum it up."""
    warn_of_prices(args)
    args.model = choose_model(args.task, args.model)
    _check_options(args)
    files = JobFiles(args.out.absolute())
    with _locked(files.folder):
        job = begin_job(files, args)
        with _listed(files, args):
            if not args.stream_listing:
                _check_listing(files, args)
            _train_and_report(files, args, job)
        _report(files, args)
        if args.window is None:
            remove_window(files.window)
    sys.stdout.write(describe(files))
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Refuse what no step could do, before there is anything.

    Raises:
        PenstockError: all that cannot be done.
    """
    checks: list[Callable[[], object]] = [
        lambda: train_config(args, task=args.task, seed=args.seed),
        lambda: check_fractions(args.split),
        lambda: check_shuffle_options(args),
        lambda: job_options(args),
        lambda: _check_test_split(args.split),
        lambda: _check_device(args.device),
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


def _check_listing(files: JobFiles, args: argparse.Namespace) -> None:
    """Refuse a dataset that training or evaluation could not go through with these options."""
    with ManifestReader(files.manifest) as reader:
        info = reader.info
    room = room_of(args.window, args.window_size, args.prefetch, files.manifest)
    wanted = Wanted(
        room=room,
        manifest=files.manifest,
        batch_size=args.batch_size,
        workers=args.workers,
        model=args.model,
        evaluated="test",
    )
    check_fit(info, read_record(files.plan, Plan), wanted)


@contextlib.contextmanager
def _listed(files: JobFiles, args: argparse.Namespace) -> Iterator[None]:
    """List in a process of its own: the S3 client must not be used in one that forks workers later.

    With ``--stream-listing`` the listing goes on within the block, which follows it; it is ended with the block.
    """
    if _is_listed(files, early=args.stream_listing):
        yield
        return
    given = {"manifest": files.manifest, "plan": files.plan, "record": files.list_record, "meters": files.meters}
    words = argv_of("list", args, **given)
    early = args.stream_listing
    with ListingProcess(words, manifest=files.manifest, plan=files.plan, parts=early, is_shown=not early) as listing:
        if early:
            listing.begin()
        else:
            listing.whole()
        yield


def _is_listed(files: JobFiles, *, early: bool) -> bool:
    """Tell whether an earlier attempt listed to the end."""
    if not early:
        return files.manifest.exists() and files.plan.exists()
    record = read_listing_record(parts_folder(files.manifest))
    return record is not None and record.whole is not None


def _train_and_report(files: JobFiles, args: argparse.Namespace, job: JobRecord) -> None:
    """Train and evaluate; a failed training is still reported, with what it cost."""
    shared: dict[str, Any] = {
        "manifest": files.manifest,
        "plan": files.plan,
        "window": args.window or files.window,
        "meters": files.meters,
    }
    try:
        if not _is_trained(files, args):
            files.metrics.unlink(missing_ok=True)
            # Of the listing that this job began: it may have failed before training looks for it.
            known = {"listing_has_begun": args.stream_listing}
            made: dict[str, Any] = {"checkpoints": files.checkpoints, "record": files.run_record, "run_id": job.run_id}
            _call("train", args, known=known, **shared, **made)
        if not files.metrics.exists():
            best: dict[str, Any] = {"checkpoint": files.checkpoints, "metrics": files.metrics, "plot": files.plot}
            _call("evaluate", args, **shared, **best, split="test", executor_input="")
    except PenstockError:
        if files.run_record.exists():
            _report(files, args)
        raise


def _is_trained(files: JobFiles, args: argparse.Namespace) -> bool:
    """Tell whether an earlier attempt trained to the end, and no more was asked for since."""
    try:
        record = read_record(files.run_record, RunRecord)
    except RecordError:
        return False
    asked = {"num_epochs": args.epochs, "patience": args.patience or None}
    return record.state == "succeeded" and all(record.config.get(name) == value for name, value in asked.items())


def _report(files: JobFiles, args: argparse.Namespace) -> None:
    _call(
        "report",
        args,
        run_record=files.run_record,
        evaluation=files.metrics if files.metrics.exists() else None,
        step_record=[files.list_record] if files.list_record.exists() else [],
        html=files.html,
        markdown=files.markdown,
        cost=files.cost,
    )


def _parser(step: str) -> argparse.ArgumentParser:
    module = importlib.import_module(f"penstock.steps.options.{'listing' if step == 'list' else step}")
    parser = argparse.ArgumentParser(prog=f"penstock {step}")
    module.add_arguments(parser)
    return parser


def argv_of(step: str, args: argparse.Namespace, **given: object) -> list[str]:
    """Give a step's argv: its own options with the values of ``given``, or else of the job's."""
    values: Mapping[str, object] = {**vars(args), **given}
    words = [step, *(["--verbose"] if args.verbose else [])]
    for action in _parser(step)._actions:
        for value in _as_words(values.get(action.dest)):
            words += [action.option_strings[0], value]
    return words


def _as_words(value: object) -> list[str]:
    """Write an option's value as text, once for each time that the flag is given."""
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, tuple):
        return [",".join(map(str, value))]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _call(step: str, args: argparse.Namespace, *, known: Mapping[str, object] | None = None, **given: object) -> None:
    """Do a step in this process, quietly: the job sums up at its end.

    Args:
        known: what is no option of the step, and has a default in its parser.
        given: options, in the place of the job's.
    """
    words = argv_of(step, args, **given)
    module = importlib.import_module(f"penstock.steps.{step}")
    with contextlib.redirect_stdout(io.StringIO()):
        own = _parser(step).parse_args([word for word in words[1:] if word != "--verbose"])
        vars(own).update(known or {})
        module.run(own)


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
