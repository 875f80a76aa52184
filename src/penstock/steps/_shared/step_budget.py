"""Steps before a job's training within what the job may spend: its listing, and the storing of its samples."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import msgspec

from penstock import stopping
from penstock.cost.prices import load_prices
from penstock.observe.attempts import AttemptLog
from penstock.records import Saves, seconds_of
from penstock.steps._shared.budgeting import RunBooks, read_steps, warner
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.metering import Metering
from penstock.steps._shared.pricing import setting_here
from penstock.steps._shared.run_left import never_trained
from penstock.steps.options.run import JobOptions
from penstock.train.limits import Limits, Watch

__all__ = ["LEAST_SECONDS", "step_within"]

LEAST_SECONDS = 5.0
"""That a step may take whatever is left: like a first one of training, how long it takes is not known before."""


@contextlib.contextmanager
def step_within(files: JobFiles, args: JobOptions, attempts: AttemptLog, step: str) -> Iterator[int | None]:
    """Do a step within what the job may spend; give how many requests that may be, None for any number.

    Raises:
        TimeSpent, BudgetSpent: it would not be within it; the next attempt goes on.
    """
    if not (args.max_hours or args.max_usd or args.max_requests):
        yield None
        return
    config = {"source": args.source, "endpoint-url": args.endpoint_url}
    books = RunBooks(
        msgspec.structs.replace(never_trained(""), config=config, host=attempts.read()[-1].host),
        max_usd=args.max_usd or None,
        max_requests=args.max_requests or None,
        steps=lambda: [each for each in read_steps(files.step_records) if each.step != step],
        prices=load_prices(args.prices),
        setting=setting_here(args, args.instance_type),
        metering=Metering(folder=files.meters, owner=f"{step}/", is_remote=False),
        attempts=attempts.read,
    )
    limits = Limits(
        max_hours=args.max_hours or None,
        books=books,
        wall_seconds=lambda: seconds_of(attempts.read(), "train"),
        measured=lambda: (books.counted(), Saves()),
        warn=warner("run"),
    )
    began, has_any = time.monotonic(), bool(args.max_hours or args.max_usd) and stopping.is_installed()
    over = limits.over_while_waiting if has_any else None
    try:
        with Watch(over, is_due=lambda: time.monotonic() - began >= LEAST_SECONDS) as watch:
            yield books.most_requests()
    except BaseException as error:
        if watch.ended is None or not stopping.is_from_stop(error):
            raise
        stopping.calm()
        raise watch.ended.error(
            f"{watch.ended.what}: `{step}` did not come to its end",
            fix="run the same command with a larger limit to go on",
        ) from None
