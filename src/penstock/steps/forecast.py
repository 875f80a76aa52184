"""``penstock forecast``: what a run would take and cost, each way that its data could go, before anything is paid."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Any

from penstock.cost.forecasting import Forecast
from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.options import Option
from penstock.options.words import as_text
from penstock.records import ForecastRecord, StepRecord, encode_record, write_record
from penstock.report.forecast_page import forecast_page
from penstock.report.forecast_told import forecast_markdown, forecast_record, forecast_text
from penstock.steps._shared import common
from penstock.steps._shared.forecasting import as_planned, forecasts, over_budget
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.metering import find_metering
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.pipeline_output import write_forecast_metrics
from penstock.steps._shared.run_root import FORECAST_REQUESTS, RunRoot, recorded
from penstock.steps.options.forecast import ForecastOptions
from penstock.texts import did_you_mean

NAME = "forecast"

__all__ = ["NAME", "forecast", "run"]


def run(args: ForecastOptions) -> int:
    """Forecast, and tell."""
    measured = () if args.measured is None else (args.measured, *JobFiles(args.measured).records)
    inputs = (args.manifest, args.plan, *measured, args.prices)
    check_outputs(args.html, args.markdown, args.record, args.probe_record, inputs=inputs)
    metering = find_metering(args, NAME, meters=None)
    with metering.open() as counts, recorded(args, NAME, counts.meter) as run_root:
        started_at, began = common.now(), time.monotonic()
        # Whoever asks by hand is told to say how fast it computes; a pipeline, which names its run, gets what is known.
        is_of_run = args.own_run is not None
        asked, planned = as_planned(args) if is_of_run else (args, None)
        found = forecasts(asked, meter=counts.meter, must_compute=not is_of_run)
        record = forecast_record(found, planned=planned)
        _write(args, found, record, run_root)
        if run_root is not None:
            took = StepRecord(
                step=NAME,
                started_at=started_at,
                wall_seconds=time.monotonic() - began,
                host=common.host_without_device(),
                meters=metering.total(counts),
                details={},
            )
            run_root.keep(FORECAST_REQUESTS, run_root.counting_itself(took))
    sys.stdout.write(encode_record(record).decode() if args.json else forecast_text(found, planned=planned))
    for told in over_budget(record, args.max_usd):
        sys.stderr.write(f"penstock {NAME}: warning: {told}\n")
    return 0


def _write(args: ForecastOptions, found: Sequence[Forecast], record: ForecastRecord, run_root: RunRoot | None) -> None:
    page = forecast_page(found).encode()
    if args.html is not None:
        atomic_write(args.html, page)
    if args.markdown is not None:
        atomic_write(args.markdown, forecast_markdown(found).encode())
    if args.record is not None:
        write_record(args.record, record)
    write_forecast_metrics(args.executor_input, record)
    if run_root is not None:
        run_root.keep(NAME, record)
        run_root.publish("forecast.html", page)


def forecast(uri: str = "", **options: Any) -> list[Forecast]:
    """Tell what a training would take and cost, each way that its data could go: ``penstock forecast`` in Python.

    Args:
        uri: where the data lies; empty with ``manifest=`` or ``size=`` and ``objects=``.
        options: of the command, in snake case, as values or as texts (``rate="80MB/s"``); those that may be repeated
            take one or several.

    Returns:
        a forecast for each node: its ``recommendation``, ``sentences``, ``breakevens``, and ``outlooks`` of all ways.

    Raises:
        ConfigError: an option is not known, or cannot be used.
        PenstockError: the source, a record, or the prices cannot be read.
    """
    if not isinstance(uri, str):
        raise ConfigError(f"the URI is {uri!r}", fix="give a text, like s3://bucket/data")
    known = ForecastOptions.declared()
    if unknown := next((name for name in options if name not in known), None):
        meant = did_you_mean(unknown, known)
        raise ConfigError(f"{unknown!r} is no option of a forecast", fix=f"{meant}the options are: {', '.join(known)}")
    return forecasts(ForecastOptions(uri=uri, **{name: _value(known[name], each) for name, each in options.items()}))


def _value(option: Option, given: Any) -> Any:
    """Return an option's value, of a value or of a text.

    Raises:
        ConfigError: it cannot be one.
    """
    try:
        if option.is_repeated:
            return _texts(given)
        if given is None and option.default is None:
            return None
        if option.is_bare or option.is_switch or isinstance(given, bool):
            return _truth(option, given)
        if isinstance(given, list | tuple):
            given = as_text(tuple(given))
        return given if option.read is None else option.read(str(given))
    except (ArgumentTypeError, ValueError) as error:
        raise ConfigError(
            f"{option.name}={given!r} cannot be used: {error}", fix="write it as the command does"
        ) from error


def _texts(given: Any) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else (None,)
    if not all(isinstance(each, str) for each in texts):
        raise ValueError("give a text, or a list of texts")
    return texts


def _truth(option: Option, given: Any) -> bool:
    if not isinstance(given, bool) or not (option.is_bare or option.is_switch):
        raise ValueError("give True or False" if option.is_bare or option.is_switch else "it is no yes or no")
    return given
