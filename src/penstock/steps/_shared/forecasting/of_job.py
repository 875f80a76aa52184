"""A job's forecast, made of its listing before it trains: what it will take, kept beside what it took."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

from penstock.cost.disks import DISKS
from penstock.cost.prices import Prices, load_prices
from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.manifest.listed import read_listed
from penstock.records import write_record
from penstock.report.forecast_page import forecast_page
from penstock.report.forecast_told import forecast_record, forecast_text
from penstock.sources.node import this_node
from penstock.steps._shared.forecasting.asking import as_planned, forecasts, over_budget
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.train_config import train_config
from penstock.steps.options.forecast import ForecastOptions
from penstock.steps.options.run import JobOptions
from penstock.units import MIB, format_seconds
from penstock.window.geometry import KEPT_SHARE

__all__ = ["check_forecast", "forecast_job"]

PROBE_SECONDS = 3.0
PROBE_BYTES = 256 * MIB
STARTS_THAT_FOLLOW = 2
"""Of what training, and then evaluation, runs beside itself, such as the prefetcher of the window."""


def check_forecast(args: JobOptions) -> None:
    """Refuse a forecast that could not be made before the training.

    Raises:
        ConfigError: it is asked for, and there is no listing by then; or how fast it computes is told in vain.
    """
    if args.forecast and args.stream_listing:
        raise ConfigError(
            "--forecast needs the whole listing, and --stream-listing trains while it goes on",
            fix="leave one of them out",
        )
    if args.samples_per_second and not args.forecast:
        raise ConfigError("--samples-per-second is given, and no forecast is asked for", fix="add --forecast")


def forecast_job(files: JobFiles, args: JobOptions, *, start_seconds: float) -> None:
    """Forecast a job that has been listed, and tell; one that goes on keeps the forecast that it began with.

    Args:
        start_seconds: that this process took to begin, as each step that follows is taken to do.

    Raises:
        ConfigError: it is a mix.
        PenstockError: the source could not be read.
    """
    if not args.forecast or files.forecast.exists():
        return
    options, planned = _options(files, args)
    epochs = _epochs(files, args)
    startup = STARTS_THAT_FOLLOW * start_seconds
    noted = (
        f"What is started for training and for evaluation takes {format_seconds(startup)} together, each as long as "
        "this process took to begin.",
    )
    found = forecasts(
        options.but(epochs=math.ceil(epochs), startup=startup),
        must_compute=False,
        keeps_at_once=args.mode == "cache",
        done_share=epochs / math.ceil(epochs),
        noted=noted,
    )
    record = forecast_record(found, planned=planned)
    write_record(files.forecast, record)
    atomic_write(files.forecast_page, forecast_page(found).encode())
    sys.stdout.write(forecast_text(found, planned=planned) + "\n")
    sys.stdout.flush()
    for told in over_budget(record, args.max_usd):
        sys.stderr.write(f"penstock run: warning: {told}\n")


def _options(files: JobFiles, args: JobOptions) -> tuple[ForecastOptions, str]:
    """Return the options of the job's forecast, and the name of the way that the job goes."""
    kind = args.instance_type or this_node().instance_type
    options = ForecastOptions(
        **args.shared_with(ForecastOptions),
        manifest=files.manifest,
        plan=files.plan,
        epochs=args.epochs,
        instance_type=() if kind is None else (kind,),
        window_size=args.window_size,
        at_once=(args.batch_size or 1) if args.workers else 1,
        probe=PROBE_SECONDS,
        probe_bytes=PROBE_BYTES,
        probe_record=files.probe_record,
    )
    if args.mode == "preprocess":
        return options, f"download-{_disk(kind, load_prices(args.prices))}"
    if args.mode == "cache":  # all of which keeps what was read
        return replace(options, window_size=int(args.cache_size / KEPT_SHARE)), "window"
    return as_planned(options)


def _epochs(files: JobFiles, args: JobOptions) -> float:
    """Return how many epochs the job trains, the last one not to its end where --max-steps ends it."""
    if not args.max_steps:
        return args.epochs
    from penstock.steps._shared.planned_run import epoch_steps  # here: torch takes a second

    listed = read_listed(files.manifest, files.plan)
    config = train_config(args, task=args.task, seed=listed.plan.seed, batch_size=listed.plan.batch_size)
    return min(args.epochs, args.max_steps / max(1, epoch_steps(listed, config)))


def _disk(kind: str | None, prices: Prices) -> str:
    return DISKS.get(prices.provider_of(kind or ""), DISKS["aws"])
