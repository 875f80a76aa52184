"""What a run spends by the prices of its bill, and what it may: ``--max-usd`` and ``--max-requests``.

The bill itself is made of what was measured so far, so that what is told meanwhile is what the bill will say.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from penstock import stopping
from penstock.cost.model import CostSetting, bill, total_meters
from penstock.cost.node_time import STOPPED_EVALUATION, spans_of
from penstock.cost.prices import Prices, load_prices
from penstock.errors import ConfigError, Interrupted, PenstockError
from penstock.observe.attempts import AttemptLog
from penstock.options.cost import BillOptions
from penstock.records import (
    AttemptRecord,
    Meters,
    RequestCount,
    RunRecord,
    Saves,
    StepRecord,
    read_record,
    seconds_of,
    write_record,
)
from penstock.sources import read_meter_files, sum_meters
from penstock.steps._shared import common
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.metering import Metering
from penstock.steps._shared.pricing import setting_here
from penstock.steps.options.run import JobOptions
from penstock.train.limits import Ended, Limits, Spending, Watch
from penstock.train.options import TrainingOptions

__all__ = ["RunBooks", "check_budget", "evaluation_within", "read_steps", "warner"]

KEPT_REQUESTS = 32
SAVE_REQUESTS = 8
"""For checkpoints and records of a run that keeps them in a store, and those of one save."""
_SECONDS_PER_HOUR = 3600.0
_MANY = 1_000_000


class RunBooks:
    """The books of one run.

    Args:
        record: of the run as it begins: where it runs, and what it reads from.
        steps: gives records of other steps, as far as there are any.
        prices: None where there is no bill to be made.
        metering: of the training.
        attempts: gives those of all steps, so far.

    Attributes:
        max_usd: None for no limit.
        max_requests: None for no limit.
        save_requests: that a save takes, at most.
    """

    def __init__(
        self,
        record: RunRecord,
        *,
        max_usd: float | None,
        max_requests: int | None,
        steps: Callable[[], Sequence[StepRecord]],
        prices: Prices,
        setting: CostSetting,
        metering: Metering,
        attempts: Callable[[], Sequence[AttemptRecord]] = tuple,
    ) -> None:
        self.max_usd, self.max_requests = max_usd, max_requests
        self._record, self._steps = record, steps
        self._prices, self._setting, self._metering = prices, setting, metering
        self._attempts = attempts
        self.save_requests = SAVE_REQUESTS if metering.is_remote else 0
        self._is_priced = has_node_price(setting, prices)

    def spending(self, wall_seconds: float, meters: Meters) -> Spending:
        """Return what the whole run spent, where its training took so long and moved so much."""
        record = msgspec.structs.replace(self._record, wall_seconds=wall_seconds, meters=meters)
        steps, attempts = list(self._steps()), self._attempts()
        total = total_meters(record, steps=steps, evaluation=None)
        others = sum_meters(others_made(self._metering)).count().sent
        usd = None
        if self._is_priced:
            made = bill(
                record,
                steps=steps,
                evaluation=None,
                prices=self._prices,
                setting=self._setting,
                attempts=attempts,
            )
            usd = float(made.total_usd)
        spans = spans_of(record, steps=steps, evaluation=None, attempts=attempts)
        return Spending(
            hours=sum(span.seconds for span in spans) / _SECONDS_PER_HOUR,
            requests=max(total.count().sent, meters.count().sent + others),
            usd=usd,
        )

    def counted(self) -> Meters:
        """Return what the training requested so far, as its files hold it."""
        return sum_meters(read_meter_files(self._metering.folder, self._metering.owner))

    def most_requests(self, wall_seconds: float = 0.0) -> int | None:
        """Return how many requests may be counted for the training; None for any number."""
        now = self.counted()
        spent = self.spending(wall_seconds, now)
        bounds = []
        if self.max_requests is not None:
            kept = min(KEPT_REQUESTS, self.max_requests // 2) if self._metering.is_remote else 0
            bounds.append(self.max_requests - kept - (spent.requests - now.count().sent))
        if self.max_usd is not None and spent.usd is not None:
            many = Meters(requests=(RequestCount(kind="GET", purpose="data", sent=_MANY, answers_2xx=_MANY),))
            more = self.spending(wall_seconds, now.plus(many)).usd
            each = ((more or 0.0) - spent.usd) / _MANY
            if each > 0:
                bounds.append(now.count().sent + int((self.max_usd - spent.usd) / each))
        return max(0, min(bounds)) if bounds else None


def others_made(metering: Metering) -> dict[str, Meters]:
    """Return what other steps of the run requested, where they count in the same folder."""
    if metering.folder is None:
        return {}
    own = read_meter_files(metering.folder, metering.owner)
    return {key: meters for key, meters in read_meter_files(metering.folder).items() if key not in own}


def has_node_price(setting: CostSetting, prices: Prices) -> bool:
    """Tell whether an hour of the node has a price."""
    if setting.node_usd_per_hour is not None:
        return True
    if setting.instance_type is None:
        return False
    try:
        prices.node(setting.instance_type, region=setting.region, lifecycle=setting.lifecycle or "on-demand")
    except ConfigError:
        return False
    return True


def check_budget(args: TrainingOptions, costs: BillOptions) -> None:
    """Refuse a limit that could not be watched.

    Raises:
        ConfigError: dollars are limited, and the node has no price.
        RecordError: the price file is none.
    """
    if not args.max_usd:
        return
    setting, prices = setting_here(costs, args.instance_type), load_prices(costs.prices)
    if not has_node_price(setting, prices):
        named = f"a node of type {setting.instance_type!r}" if setting.instance_type else "the node"
        raise ConfigError(
            f"--max-usd {args.max_usd:g} is given, and {named} has no price",
            fix="state its rate with --node-usd-per-hour, like 1.006 (0 for one that costs nothing), or name a type "
            "that has a price with --instance-type",
        )


def read_steps(paths: Sequence[Path]) -> list[StepRecord]:
    """Return the records of other steps that are there."""
    found = []
    for path in paths:
        try:
            found.append(read_record(path, StepRecord))
        except PenstockError:
            continue
    return found


def warner(step: str) -> Callable[[str], None]:
    """Return what tells a person of a limit."""

    def warn(text: str) -> None:
        sys.stderr.write(f"penstock {step}: warning: {text}\n")

    return warn


class _EvaluationBooks:
    """The books of a run that is evaluated: its training is done, and requests are let through one by one."""

    max_requests: int | None = None
    save_requests = 0

    def __init__(self, books: RunBooks, trained: Meters, metering: Metering) -> None:
        self.max_usd = books.max_usd
        self._books, self._trained, self._metering = books, trained, metering

    def spending(self, wall_seconds: float, meters: Meters) -> Spending:
        return self._books.spending(wall_seconds, meters)

    def counted(self) -> Meters:
        return self._trained.plus(self.own())

    def own(self) -> Meters:
        """Return what evaluations requested, those of earlier attempts included."""
        return sum_meters(read_meter_files(self._metering.folder, self._metering.owner))


@contextlib.contextmanager
def evaluation_within(files: JobFiles, args: JobOptions, attempts: AttemptLog) -> Iterator[Callable[[], int | None]]:
    """Evaluate within what the job may spend; give how many requests that may be.

    What an evaluation took that ends early is kept for the bill.

    Raises:
        TimeSpent, BudgetSpent: it would not be within it; it ends, and is begun anew by the next attempt.
    """
    record = read_record(files.run_record, RunRecord)
    stopped = read_steps([files.stopped_record])
    metering = Metering(folder=files.meters, owner="evaluate/", is_remote=False)
    books = RunBooks(
        record,
        max_usd=args.max_usd or None,
        max_requests=args.max_requests or None,
        # What stopped ones requested is counted with this one's.
        steps=lambda: [each for each in read_steps(files.step_records) if each.step != STOPPED_EVALUATION],
        prices=load_prices(args.prices),
        setting=setting_here(args, args.instance_type),
        metering=metering,
        attempts=attempts.read,
    )
    evaluated, started_at, began = _EvaluationBooks(books, record.meters, metering), common.now(), time.monotonic()
    limits = Limits(
        max_hours=args.max_hours or None,
        books=evaluated,
        # What this attempt takes by now is in the log of all; that of the training stands.
        wall_seconds=lambda: max(record.wall_seconds, seconds_of(attempts.read(), "train")),
        measured=lambda: (evaluated.counted(), Saves()),
        warn=warner("run"),
    )
    has_any = bool(args.max_hours or args.max_usd) and stopping.is_installed()
    if (ended := limits.ended()) is not None:
        raise _unevaluated(ended)
    try:
        with Watch(limits.over_while_waiting if has_any else None, is_due=lambda: True) as watch:
            yield books.most_requests
    except BaseException as error:
        host = common.host_without_device()
        seconds = time.monotonic() - began + sum(each.wall_seconds for each in stopped)
        took = StepRecord(
            step=STOPPED_EVALUATION,
            started_at=started_at,
            wall_seconds=seconds,
            host=host,
            meters=evaluated.own(),
            details={},
        )
        write_record(files.stopped_record, took)
        if watch.ended is not None and stopping.is_from_stop(error):
            stopping.calm()
            raise _unevaluated(watch.ended) from None
        raise


def _unevaluated(ended: Ended) -> Interrupted:
    return ended.error(
        f"{ended.what}: the test split is not evaluated; what was trained is kept",
        fix="run the same command with a larger limit to go on",
    )
