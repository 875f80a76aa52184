"""The record of a run: kept in its run root as it goes on, written where it was asked for when it ends."""

from __future__ import annotations

import dataclasses
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
from torch import nn

from penstock.errors import NotOurs
from penstock.manifest import ManifestInfo
from penstock.observe.attempts import AttemptLog
from penstock.records import DatasetSize, Meters, MixShare, RunRecord, write_record
from penstock.sources import is_local
from penstock.sources.volume import volume_of
from penstock.steps._shared.common import with_node
from penstock.steps._shared.planned_run import PlannedRun
from penstock.steps._shared.pricing import endpoint_paid
from penstock.steps._shared.run_root import RunRoot
from penstock.steps.options.train import TrainOptions
from penstock.train.config import ConfigValue
from penstock.train.device import choose_device, describe_host
from penstock.train.result import TrainResult, begun_result, make_run_record

__all__ = ["RunRecords"]

STEP = "train"


class RunRecords:
    """Makes records of a run's results, and puts them where they belong.

    Args:
        run_root: None where there is none.
        attempts: this one and those before it.

    Attributes:
        run_id: of the run, or of this attempt alone where nobody gave one.
        shares: gives what each member of a mix gave so far.
    """

    def __init__(self, args: TrainOptions, planned: PlannedRun, run_root: RunRoot | None, attempts: AttemptLog) -> None:
        self._args, self._planned, self._run_root, self._attempts = args, planned, run_root, attempts
        self.run_id = args.own_run or uuid.uuid4().hex[:12]
        self.shares: Callable[[], tuple[MixShare, ...]] = tuple

    def begin(self, model: nn.Module) -> None:
        """Keep that the run has begun, where it had not before.

        It stays where the trainer is killed before it can say anything: its time is billed from here on.
        """
        if self._run_root is None or self._run_root.read(STEP, RunRecord) is not None:
            return
        self._run_root.keep(STEP, self.begun(sum(p.numel() for p in model.parameters() if p.requires_grad)))

    def begun(self, num_parameters: int) -> RunRecord:
        """Return the record of a run that has only begun."""
        planned = self._planned
        result = begun_result(
            planned.config,
            planned.identity,
            score=planned.data.task.score,
            host=describe_host(choose_device(planned.config.device)),
            num_parameters=num_parameters,
        )
        return msgspec.structs.replace(self._record(result), attempts=self._attempts.read())

    def keep(self, result: TrainResult) -> None:
        """Keep how far the run is."""
        if self._run_root is not None:
            self._run_root.keep(STEP, self._record(result))

    def write(self, result: TrainResult, traffic: dict[str, Meters]) -> RunRecord:
        """Write how the run ended, keep it too, and return it.

        Args:
            traffic: all that was requested, by the ids that it is counted under; the record's own is added.

        Raises:
            OutputError: it cannot be written.
        """
        journal = msgspec.structs.replace(result.journal, traffic=traffic)
        record = self._record(dataclasses.replace(result, journal=journal))
        if self._run_root is not None:
            record = self._run_root.counting_itself(record)
        write_record(self._args.record, record)
        if self._run_root is not None and not isinstance(result.error, NotOurs):
            self._run_root.keep(STEP, record)
        return record

    def _record(self, result: TrainResult) -> RunRecord:
        record = make_run_record(result, run_id=self.run_id, options=self._options())
        first = self._planned.data.first
        listed = first if first.is_whole else None
        if result.journal.epochs:
            listed = self._planned.data.listing.whole()
            record = msgspec.structs.replace(
                record, manifest_fingerprint=listed.info.fingerprint, plan_fingerprint=listed.plan.fingerprint
            )
        return msgspec.structs.replace(
            record,
            host=with_node(record.host, self._args.instance_type),
            mix=self.shares(),
            window_disk=volume_of(self._window()),
            dataset=None if listed is None else dataset_size(listed.info),
        )

    def _window(self) -> Path:
        """Return the folder that the window lies in, or that of temporary files, where a temporary one does."""
        return self._args.window or Path(tempfile.gettempdir())

    def _options(self) -> dict[str, ConfigValue]:
        """Return the options that the record names beside those of the training config."""
        args, info = self._args, self._planned.data.first.info
        source = info.stored_from or info.source
        options: dict[str, ConfigValue] = {
            "loss": args.loss,
            "mode": args.mode or ("stream" if args.cache is None else "cache"),
            "workers": args.workers,
            "prefetch": args.prefetch,
            "source": source.uri,
            "on-bad-sample": args.on_bad_sample,
            **self._planned.order_options,
        }
        sources = [each.source for each in self._planned.data.first.info.members] or [source]
        # Of a mix one that is not the store's own is enough for a bill that does not tell them apart.
        endpoint = next(filter(None, map(endpoint_paid, sources)), None)
        options |= {"endpoint-url": endpoint} if endpoint else {}
        options |= {"region": region} if (region := source.text("region")) else {}
        place = args.checkpoints or args.run_root
        options |= {"checkpoints": place} if place and not is_local(place) else {}
        repeat = self._planned.data.first.plan.repeat
        options |= {"repeat": repeat.passes} if repeat is not None else {}
        return options | ({"run-endpoint-url": args.run_endpoint_url} if args.run_endpoint_url else {})


def dataset_size(info: ManifestInfo) -> DatasetSize | None:
    """Return what an epoch reads, of the training and validation splits; None of a mix, which draws by its weights."""
    if info.members:
        return None
    read = [split.size_bytes for split in info.splits if split.name in ("train", "valid")]
    return DatasetSize(
        epoch_bytes=sum(read),
        num_objects=info.num_objects,
        object_bytes=info.object_bytes,
        storage_classes=info.storage_classes,
    )
