"""``penstock evaluate``: score a checkpoint on a split that it was not trained on."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import msgspec

from penstock.errors import CheckpointMismatch
from penstock.evaluate.evaluation import evaluate
from penstock.evaluate.familiarity import check_familiarity
from penstock.files import atomic_write
from penstock.formats.codec import original_codec
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.observe import open_progress
from penstock.observe.labels import metrics_line
from penstock.recipes.registry import objective_from_state, recipe_of
from penstock.records import Evaluation, write_record
from penstock.sources import MeterFile
from penstock.steps._shared import common
from penstock.steps._shared.feeding import fed, open_dataset, open_stream, skipped_line
from penstock.steps._shared.metering import Metering, find_metering
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.pipeline_output import write_metrics
from penstock.steps._shared.preflight import Intended, check_fit, fitting_batch, room_of
from penstock.steps._shared.run_root import RunRoot, recorded
from penstock.steps._shared.trained import check_model_asked, trained_model
from penstock.steps.options.evaluate import EvaluateOptions
from penstock.tasks.registry import window_bytes_of
from penstock.texts import counted
from penstock.train.checkpoint import load_weights
from penstock.train.checkpoint_file import Weights
from penstock.train.device import choose_device, describe_host

NAME = "evaluate"

__all__ = ["NAME", "run"]


def run(args: EvaluateOptions) -> int:
    """Evaluate, write the metrics, and say them."""
    metering = find_metering(args, NAME, meters=args.meters, checkpoint=args.checkpoint)
    metering = dataclasses.replace(metering, most_requests=lambda: args.most_requests)
    with metering.open(args.window) as counts, recorded(args, NAME, counts.meter) as run_root:
        return _run(args, run_root, metering, counts)


def _run(args: EvaluateOptions, run_root: RunRoot | None, metering: Metering, counts: MeterFile) -> int:
    data = open_dataset(args)
    listed = data.listing.whole()
    info = listed.info
    window_bytes = window_bytes_of(data.task.name, args.window_size)
    room = room_of(args.window, window_bytes, args.prefetch, listed.manifest)
    wanted = Intended(room=room, workers=args.workers, evaluated=args.split)
    check_fit(listed, wanted)
    check_outputs(args.metrics, args.plot, inputs=(args.manifest, args.plan, Path(args.checkpoint)))
    batch_size = fitting_batch(listed, wanted, split=args.split, at_most=args.batch_size)
    # First, so that the prefetcher starts while the weights are loaded.
    with open_stream(
        data,
        args,
        splits=[(args.split, False)],
        batch_size=batch_size,
        num_epochs=1,
        metering=metering,
    ) as feed:
        weights = load_weights(args.checkpoint, endpoint_url=args.run_endpoint_url, meter=counts.meter)
        _check(weights, info)
        check_model_asked(weights, args.model)
        familiarity = check_familiarity(
            weights.trained_on,
            begun_with=weights.identity.manifest_fingerprint,
            checkpoint=weights.location,
            listed=listed,
            split=args.split,
            other_data=args.other_data,
        )
        objective = objective_from_state(weights.objective, task=info.task)
        model = trained_model(weights, num_outputs=objective.num_outputs).to(choose_device(args.device))
        with open_progress().stage("evaluate", info.split(args.split).num_samples) as stage:
            found = evaluate(
                model,
                objective=objective,
                task=data.task,
                loader=fed(data.task, feed.stream.segment(0), info, batch_size=batch_size, is_trained=False),
                info=info,
                split=args.split,
                model_name=weights.identity.model,
                checkpoint_sha256=weights.file_sha256,
                familiarity=familiarity,
                recipe=recipe_of(info.task),
                codec=_first_codec(listed.manifest, args.split),
            )
            stage.advance(min(found.num_samples, info.split(args.split).num_samples))
        # What the stream told, with what this process asked for itself, as checkpoints.
        traffic = metering.total(counts, feed.end())
    host = common.with_node(describe_host(choose_device(args.device)), None)
    told = msgspec.structs.replace(found, meters=found.meters.without_traffic().plus(traffic), host=host)
    _write(args, told, run_root)
    return 0


def _first_codec(manifest: Path, split: str) -> str:
    with ManifestReader(manifest) as reader:
        return next((original_codec(extent.codec) for extent in reader.rows(split)), "")


def _write(args: EvaluateOptions, found: Evaluation, run_root: RunRoot | None) -> None:
    """Write what was found wherever it was asked for, and say it."""
    if run_root is not None:
        found = run_root.counting_itself(found)
    if args.plot is not None:
        atomic_write(args.plot, _draw(found).encode())
    # Last: where the metrics are there, all is.
    write_record(args.metrics, found)
    if run_root is not None:
        run_root.keep(NAME, found)
    write_metrics(args.executor_input, found)
    sys.stdout.write(describe(found))


def _check(weights: Weights, info: ManifestInfo) -> None:
    for name, found, wanted in (
        ("task", weights.identity.task, info.task),
        ("sample shape", weights.identity.shape, info.shape),
    ):
        if found != wanted:
            raise CheckpointMismatch(
                f"the checkpoint {weights.location} has {name} {found}, the manifest {wanted}",
                fix="pass a checkpoint that was trained on samples of this kind",
                about=weights.location,
            )
    if weights.identity.meaning not in ("", info.meaning):
        raise CheckpointMismatch(
            f"the checkpoint {weights.location} was trained on other classes, or on samples whose numbers mean "
            "another thing, as by other means and categories, or another tokenizer",
            fix="pass a manifest of the same classes; of tables and text one that was listed with --option like=, of "
            "the manifest that it was trained on",
            about=weights.location,
        )


def _draw(found: Evaluation) -> str:
    from penstock.report.charts import confusion_chart, truth_chart  # here: matplotlib takes a second to import
    from penstock.report.figures import charts_of

    if found.confusion:
        return confusion_chart(found)
    charts = () if found.predictions else charts_of(found.figures)
    return charts[0][1] if charts else truth_chart(found)


def describe(found: Evaluation) -> str:
    """Say for a person how good a checkpoint is."""
    metrics = metrics_line(found.metrics)
    scored = (
        f"{found.split}: {counted(found.num_samples, 'sample')} of {counted(found.num_groups, 'group')}: {metrics}\n"
    )
    return scored + "".join(f"  note: {note}\n" for note in found.notes) + skipped_line(found.meters)
