"""``penstock train``: train a model through the window, or go on with a run that was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any, Self

import msgspec

from penstock.cost.prices import load_prices
from penstock.errors import NotOurs
from penstock.files import atomic_write
from penstock.observe import open_progress
from penstock.observe.labels import metric_text, metrics_line
from penstock.recipes.objectives import first_to_learn_from
from penstock.recipes.registry import build_model, make_objective, recipe_of
from penstock.records import EpochRecord, RunRecord, write_record
from penstock.sources import MeterFile, RequestMeter, open_blobs, take_later
from penstock.steps._shared.feeding import open_dataset, open_stream, skipped_line
from penstock.steps._shared.metering import Metering, find_metering
from penstock.steps._shared.outputs import alone_in, check_outputs, check_writable
from penstock.steps._shared.preflight import Intended, check_fit, room_of
from penstock.steps._shared.pricing import endpoint_paid, warn_of_node
from penstock.steps._shared.ranks import check_one_rank, ranks_from
from penstock.steps._shared.run_root import RunRoot, recorded
from penstock.steps._shared.train_config import train_config
from penstock.steps.options.train import TrainOptions
from penstock.temporary import TemporaryFolder
from penstock.train.checkpoint import Checkpoints
from penstock.train.checkpoint_file import Identity
from penstock.train.config import ConfigValue
from penstock.train.determinism import seed_everything
from penstock.train.device import choose_device, describe_host
from penstock.train.loop import train
from penstock.train.progress import StepUpdate
from penstock.train.result import TrainResult, begun_result, make_run_record
from penstock.train.schedule import KnownSamples
from penstock.units import format_bytes, format_seconds

NAME = "train"

__all__ = ["NAME", "run"]


def run(args: TrainOptions) -> int:
    """Train; write the run record however it ends."""
    metering = find_metering(args, NAME, meters=args.meters, checkpoints=args.checkpoints)
    with metering.open(args.window) as counts, recorded(args, NAME, counts.meter) as run_root:
        if not args.in_job:
            warn_of_node(args.instance_type, load_prices(), step=NAME)
        return _run(args, run_root, metering, counts)


def _run(args: TrainOptions, run_root: RunRoot | None, metering: Metering, counts: MeterFile) -> int:
    started_seconds = time.monotonic()
    ranks = ranks_from(os.environ)
    check_one_rank(ranks)
    data = open_dataset(args, goes_on=args.stream_listing, has_begun=args.listing_has_begun)
    first, basis = data.first, first_to_learn_from(data.listing)
    known = KnownSamples(number=basis.num_samples("train"), are_all=first.is_whole)
    # Its first epoch has another order: it is another run.
    in_parts: dict[str, ConfigValue] = {} if first.is_whole else {"stream-listing": True}
    config = train_config(args, task=data.task.name, seed=first.plan.seed)
    room = room_of(args.window, args.window_size, args.prefetch, first.manifest)
    check_fit(basis, Intended(room=room, batch_size=args.batch_size, workers=args.workers, model=config.model))
    check_outputs(args.record, args.checkpoint_out, inputs=(args.manifest, args.plan))
    objective = make_objective(basis.info, regression_loss=args.loss)
    identity = Identity(
        task=config.task,
        model=config.model,
        shape=first.info.shape,
        num_outputs=objective.num_outputs,
        manifest_fingerprint=first.info.fingerprint,
        plan_fingerprint=first.plan.fingerprint,
        config={**config.identity(), "loss": args.loss, **in_parts},
        meaning=first.info.meaning,
    )
    run_id = args.run_id or uuid.uuid4().hex[:12]
    records: list[RunRecord] = []

    def run_record(result: TrainResult) -> RunRecord:
        source = first.info.source
        options: dict[str, ConfigValue] = {
            "loss": args.loss,
            "workers": args.workers,
            "prefetch": args.prefetch,
            "source": source.uri,
        }
        options |= {"on-bad-sample": args.on_bad_sample, **in_parts}
        endpoint = endpoint_paid(source)
        options |= {"endpoint-url": endpoint} if endpoint else {}
        options |= {"run-endpoint-url": args.run_endpoint_url} if args.run_endpoint_url else {}
        record = make_run_record(result, run_id=run_id, options=options)
        if result.journal.epochs:
            whole = data.listing.whole()
            record = msgspec.structs.replace(
                record, manifest_fingerprint=whole.info.fingerprint, plan_fingerprint=whole.plan.fingerprint
            )
        host = msgspec.structs.replace(record.host, instance_type=args.instance_type)
        return msgspec.structs.replace(record, host=host)

    def keep_for_the_report(result: TrainResult) -> None:
        if run_root is not None:
            run_root.keep(NAME, run_record(result))

    def write_run_record(result: TrainResult) -> None:
        if result.error is None and args.checkpoint_out is not None and result.checkpoint is not None:
            atomic_write(args.checkpoint_out, blobs.read(result.checkpoint.rpartition("/")[2]))
        # The last of all requests but for the record's own, which it counts itself.
        traffic = take_later(result.journal.traffic, feed.end(), counts.read())
        journal = msgspec.structs.replace(result.journal, traffic=traffic)
        record = run_record(dataclasses.replace(result, journal=journal))
        if run_root is not None:
            record = run_root.counting_itself(record)
        write_record(args.record, record)
        if run_root is not None and not isinstance(result.error, NotOurs):
            run_root.keep(NAME, record)
        records.append(record)

    with (
        # First, so that the prefetcher starts while the model is built.
        open_stream(
            data,
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
        seed_everything(config.seed)
        model = build_model(
            config.model, task=data.task.name, shape=first.info.shape, num_outputs=objective.num_outputs
        )
        if run_root is not None and run_root.read(NAME, RunRecord) is None:
            # Stays where the trainer is killed before it can say anything: its time is billed from here on.
            host = describe_host(choose_device(config.device))
            num_parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
            begun = begun_result(config, identity, score=data.task.score, host=host, num_parameters=num_parameters)
            run_root.keep(NAME, run_record(begun))
        blobs = open_blobs(folder, endpoint_url=args.run_endpoint_url, meter=counts.meter, purpose="checkpoint")
        with _Shown(config.num_epochs * known.number if known.are_all else None, score=data.task.score) as shown:
            train(
                config,
                task=data.task,
                objective=objective,
                model=model,
                train_loader=feed.stream.segment(0),
                valid_loader=feed.stream.segment(1),
                checkpoints=Checkpoints(blobs, keep=config.keep_checkpoints),
                identity=identity,
                progress=shown,
                on_end=write_run_record,
                on_save=keep_for_the_report,
                started_seconds=started_seconds,
                known=known,
                trained_on=data.trained_on,
                own_traffic=counts.read,
                recipe=recipe_of(data.task.name),
            )
    sys.stdout.write(describe(records[-1]))
    return 0


@contextlib.contextmanager
def _checkpoint_folder(args: TrainOptions, meter: RequestMeter) -> Iterator[str]:
    """Return the folder of the checkpoints; a temporary one goes at the end."""
    place = args.checkpoints or (f"{args.run_root.rstrip('/')}/{args.run_id}/checkpoints" if args.run_root else None)
    if place is None:
        with TemporaryFolder("penstock-run-") as folder:
            yield str(folder)
        return
    # One that was stopped saves nothing before it has learnt more, so it would not be found out by its first save.
    check_writable(place, endpoint_url=args.run_endpoint_url, meter=meter)
    with alone_in(place, what="saves checkpoints to"):
        yield place


class _Shown:
    """Shows a run's progress as a stage, which begins where the run goes on from.

    Args:
        total: samples of all epochs, None where that is not known.
        score: name of the metric to show.
    """

    def __init__(self, total: int | None, *, score: str) -> None:
        self._total, self._score = total, score
        self._done = 0
        self._shown = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._shown.__exit__(*raised)

    def on_begin(self, *, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        """Open the stage."""
        self._done = epoch * (num_samples or 0) + epoch_samples
        self._stage = self._shown.enter_context(open_progress().stage("train", self._total, done=self._done))

    def on_step(self, update: StepUpdate) -> None:
        """Move the bar."""
        done = update.epoch * (update.num_samples or 0) + update.epoch_samples
        waited = update.stall_seconds / max(update.stall_seconds + update.compute_seconds, 1e-9)
        self._stage.advance(
            done - self._done,
            epoch=update.epoch + 1,
            epochs=update.num_epochs,
            loss=update.loss,
            stall_percent=100 * waited,
        )
        self._done = done

    def on_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        """Tell the validation's metrics."""
        score = record.valid.get(self._score)
        if score is not None and score.value is not None:
            self._stage.advance(0, **{f"valid_{self._score}": score.value})


def describe(record: RunRecord) -> str:
    """Say for a person how a run went."""
    best = next((epoch for epoch in record.epochs if epoch.epoch == record.best_epoch), None)
    score = best.valid.get(record.score) if best else None
    chosen = "best" if score is not None and score.value is not None else "no score tells the best; last"
    metrics = metrics_line(best.valid) if best else metric_text(None)
    return (
        f"trained {record.model} ({record.num_parameters} parameters) for {len(record.epochs)} epochs in "
        f"{format_seconds(record.wall_seconds)}, {100 * record.stall_share:.1f} % of it waiting for data\n"
        f"  read {format_bytes(record.meters.sample_bytes)} in {record.meters.get_requests} requests through at most "
        f"{format_bytes(record.meters.window_high_water_bytes)}\n"
        f"  {chosen} epoch {(record.best_epoch or 0) + 1}: {metrics}\n"
        f"{skipped_line(record.meters)}"
    )
