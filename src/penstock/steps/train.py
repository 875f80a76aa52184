"""``penstock train``: train a model through the window, or go on with a run that was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator

from torch import nn

from penstock.beginning import take_beginning
from penstock.cost.prices import load_prices
from penstock.files import atomic_write
from penstock.observe.attempts import AttemptLog
from penstock.observe.labels import metric_text, metrics_line
from penstock.observe.trackers import check_libraries
from penstock.recipes.registry import build_model, recipe_for
from penstock.records import RunRecord
from penstock.sources import MeterFile, RequestMeter, open_blobs, take_later
from penstock.steps._shared import common
from penstock.steps._shared.budgeting import RunBooks, check_budget, read_steps, warner
from penstock.steps._shared.feeding import fed, open_stream, skipped_line
from penstock.steps._shared.metering import Metering, find_metering
from penstock.steps._shared.mix_told import mix_lines
from penstock.steps._shared.outputs import alone_in, check_writable
from penstock.steps._shared.planned_run import PlannedRun, plan_run
from penstock.steps._shared.pricing import setting_here, warn_of_node
from penstock.steps._shared.ranks import check_one_rank, num_nodes, ranks_from
from penstock.steps._shared.run_records import RunRecords
from penstock.steps._shared.run_root import RunRoot, recorded
from penstock.steps._shared.shown_training import ShownTraining
from penstock.steps._shared.tracked_training import tracked
from penstock.steps.options.train import TrainOptions
from penstock.temporary import TemporaryFolder
from penstock.texts import counted
from penstock.train.checkpoint import Checkpoints, load_weights
from penstock.train.determinism import seed_everything
from penstock.train.device import choose_device
from penstock.train.initial import take_weights
from penstock.train.loop import train
from penstock.train.result import TrainResult
from penstock.units import format_bytes, format_seconds

NAME = "train"
_BEFORE = ("list", "prefetch", "forecast")

__all__ = ["NAME", "run"]


def run(args: TrainOptions) -> int:
    """Train; write the run record however it ends."""
    metering = find_metering(args, NAME, meters=args.meters, checkpoints=args.checkpoints)
    with metering.open(args.window) as counts, recorded(args, NAME, counts.meter) as run_root:
        if not args.in_job:
            warn_of_node(args.instance_type, load_prices(), step=NAME)
        log = args.attempts or (run_root.log if run_root is not None else None) or _unkept(args)
        return _run(args, run_root, metering, counts, log)


def _unkept(args: TrainOptions) -> AttemptLog:
    """Return the attempts of a run that keeps them with its checkpoints alone."""
    host = common.with_node(common.host_without_device(), args.instance_type)
    return AttemptLog(NAME, host=host, began=take_beginning(), num_nodes=num_nodes(os.environ))


def _run(
    args: TrainOptions, run_root: RunRoot | None, metering: Metering, counts: MeterFile, attempts: AttemptLog
) -> int:
    started_seconds = time.monotonic()
    ranks = ranks_from(os.environ)
    check_one_rank(ranks)
    check_libraries(args.track)
    check_budget(args, args)
    planned = plan_run(args)
    config, task = planned.config, planned.data.task
    records = RunRecords(args, planned, run_root, attempts)
    books = _open_books(args, records, run_root, metering, attempts)
    metering = dataclasses.replace(metering, most_requests=books.most_requests)
    written: list[RunRecord] = []

    def end(result: TrainResult) -> None:
        if result.error is None and args.checkpoint_out is not None and result.checkpoint is not None:
            atomic_write(args.checkpoint_out, blobs.read(result.checkpoint.rpartition("/")[2]))
        # The last of all requests but for the record's own, which it counts itself.
        traffic = take_later(result.journal.traffic, feed.end(), counts.read())
        written.append(records.write(result, traffic))

    with (
        # First, so that the prefetcher starts while the model is built.
        open_stream(
            planned.data,
            args,
            splits=[("train", True), ("valid", False)],
            batch_size=config.batch_size,
            num_epochs=config.num_epochs,
            ranks=ranks,
            pin_memory=choose_device(config.device).type == "cuda",
            metering=metering,
        ) as feed,
        _checkpoint_folder(args, counts.meter) as folder,
    ):
        records.shares = feed.shares
        of_recipe = functools.partial(fed, task, info=planned.data.first.info, batch_size=config.batch_size)
        model = _fresh_model(planned)
        records.begin(model)
        total, unit = planned.to_do
        blobs = open_blobs(folder, endpoint_url=args.run_endpoint_url, meter=counts.meter, purpose="checkpoint")
        with (
            MeterFile.open(args.window, "spent", is_own=True) as spent,
            ShownTraining(total, unit=unit, score=config.best or task.score, meter=spent.meter) as shown,
            tracked(args.track, shown, run_id=records.run_id, config=config.as_dict()) as progress,
        ):
            train(
                config,
                task=task,
                objective=planned.objective,
                model=model,
                train_loader=of_recipe(feed.stream.segment(0), is_trained=True),
                valid_loader=of_recipe(feed.stream.segment(1), is_trained=False),
                checkpoints=Checkpoints(blobs, keep=config.keep_checkpoints),
                identity=planned.identity,
                progress=progress,
                on_end=end,
                on_save=records.keep,
                started_seconds=started_seconds,
                known=planned.scheduled,
                trained_on=planned.data.trained_on,
                own_traffic=counts.read,
                books=books,
                warn=warner(NAME),
                look=feed.look,
                attempts=attempts,
                recipe=recipe_for(task.name, config.model),
                initialise=_initial_weights(
                    args, config.init_from, counts.meter, meaning=planned.data.first.info.meaning
                ),
            )
    sys.stdout.write(describe(written[-1]))
    return 0


def _open_books(
    args: TrainOptions, records: RunRecords, run_root: RunRoot | None, metering: Metering, attempts: AttemptLog
) -> RunBooks:
    in_root = [] if run_root is None else run_root.steps()
    before = [] if run_root is None else [each for step in _BEFORE for each in run_root.attempts(step)]
    return RunBooks(
        records.begun(0),
        max_usd=args.max_usd or None,
        max_requests=args.max_requests or None,
        steps=lambda: in_root or read_steps(args.step_records),
        prices=load_prices(args.prices),
        setting=setting_here(args, args.instance_type),
        metering=metering,
        attempts=lambda: (*before, *attempts.read()),
    )


def _fresh_model(planned: PlannedRun) -> nn.Module:
    """Return the network with weights of the run's seed."""
    seed_everything(planned.config.seed, deterministic=planned.config.deterministic)
    return build_model(
        planned.config.model,
        task=planned.data.task.name,
        shape=planned.data.first.info.shape,
        num_outputs=planned.objective.num_outputs,
    )


def _initial_weights(
    args: TrainOptions, location: str | None, meter: RequestMeter, *, meaning: str
) -> Callable[[nn.Module], None] | None:
    """Return what puts the weights of a checkpoint into the network and tells what became of them; None without one."""
    if location is None:
        return None

    def initialise(model: nn.Module) -> None:
        weights = load_weights(location, endpoint_url=args.run_endpoint_url, meter=meter)
        taken = take_weights(model, weights, meaning=meaning)
        sys.stderr.write(f"penstock {NAME}: {taken}\n")

    return initialise


@contextlib.contextmanager
def _checkpoint_folder(args: TrainOptions, meter: RequestMeter) -> Iterator[str]:
    """Return the folder of the checkpoints; a temporary one goes at the end."""
    place = args.checkpoints or (f"{args.run_folder}/checkpoints" if args.run_folder else None)
    if place is None:
        with TemporaryFolder("penstock-run-") as folder:
            yield str(folder)
        return
    # One that was stopped saves nothing before it has learnt more, so it would not be found out by its first save.
    check_writable(place, endpoint_url=args.run_endpoint_url, meter=meter)
    with alone_in(place, what="saves checkpoints to"):
        yield place


def describe(record: RunRecord) -> str:
    """Say for a person how a run went."""
    valid = record.best_valid
    asked = record.config.get("best")
    score = (valid or {}).get(str(asked or record.score))
    chosen = "best" if score is not None and score.value is not None else "no score tells the best; last"
    metrics = metrics_line(valid) if valid is not None else metric_text(None)
    after = f" after step {record.best_step:,}" if record.best_step is not None else ""
    by = f" by {asked}" if asked else ""
    return (
        f"trained {record.model} ({counted(record.num_parameters, 'parameter')}) for "
        f"{counted(len(record.epochs), 'epoch')} in "
        f"{format_seconds(record.wall_seconds)}, {100 * record.stall_share:.1f} % of it waiting for data\n"
        f"  read {format_bytes(record.meters.sample_bytes)} in {record.meters.get_requests} requests through at most "
        f"{format_bytes(record.meters.window_high_water_bytes)}\n"
        f"  {chosen} epoch{by} {(record.best_epoch or 0) + 1}{after}: {metrics}\n"
        + "".join(f"  {line}\n" for line in mix_lines(record))
        + skipped_line(record.meters)
    )
