"""A job's listing within what the job may spend of hours and dollars: requests are let through one by one already."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import msgspec

from penstock import stopping
from penstock.cost.prices import load_prices
from penstock.observe.attempts import AttemptLog
from penstock.records import Saves, seconds_of
from penstock.steps._shared.budgeting import RunBooks, warner
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.metering import Metering
from penstock.steps._shared.pricing import setting_here
from penstock.steps._shared.run_left import never_trained
from penstock.steps.options.run import JobOptions
from penstock.train.limits import Limits, Watch

__all__ = ["LEAST_SECONDS", "listing_within"]

LEAST_SECONDS = 5.0
"""That a listing may take whatever is left: like a first step, how long it takes is not known before."""


@contextlib.contextmanager
def listing_within(files: JobFiles, args: JobOptions, attempts: AttemptLog) -> Iterator[None]:
    """List within what the job may spend.

    Raises:
        TimeSpent, BudgetSpent: it would not be within it; the next attempt lists anew.
    """
    if not (args.max_hours or args.max_usd) or not stopping.is_installed():
        yield
        return
    config = {"source": args.source, "endpoint-url": args.endpoint_url}
    books = RunBooks(
        msgspec.structs.replace(never_trained(""), config=config, host=attempts.read()[-1].host),
        max_usd=args.max_usd or None,
        max_requests=None,
        steps=tuple,
        prices=load_prices(args.prices),
        setting=setting_here(args, args.instance_type),
        metering=Metering(folder=files.meters, owner="", is_remote=False),
        attempts=attempts.read,
    )
    limits = Limits(
        max_hours=args.max_hours or None,
        books=books,
        wall_seconds=lambda: seconds_of(attempts.read(), "train"),
        measured=lambda: (books.counted(), Saves()),
        warn=warner("run"),
    )
    began = time.monotonic()
    try:
        with Watch(limits.over_while_waiting, is_due=lambda: time.monotonic() - began >= LEAST_SECONDS) as watch:
            yield
    except BaseException as error:
        if watch.ended is None or not stopping.is_from_stop(error):
            raise
        stopping.calm()
        raise watch.ended.error(
            f"{watch.ended.what}: the data is not listed to its end",
            fix="run the same command with more of them, which lists anew",
        ) from None
