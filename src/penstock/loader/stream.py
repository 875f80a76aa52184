"""A torch DataLoader over the window, whose position can be saved and taken up again.

One stream gives every epoch's segments in turn (training, then validation), so the prefetcher runs on across
their borders. Workers read the window themselves; batches arrive in plan order, and the cursor moves when the next one
is asked for: what is in flight is never overwritten. Without workers a thread makes the next batches meanwhile.

Ranks that share a window each open a stream with the same options; the first one's asks for the session, the others
join it. A node's window holds what its ranks read and nothing else. The state is one number, the stream index after
the last batch that was given, the same on every rank of every node.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec

from penstock import stopping
from penstock.errors import ConfigError, DataError, PenstockError, ProcessLost
from penstock.loader.ahead import AHEAD_BATCHES, Ahead
from penstock.loader.dataset import FeedSettings, Thinned, many_of
from penstock.loader.decoding import Decoding
from penstock.loader.failures import Failed
from penstock.loader.in_window import in_window
from penstock.loader.making import Made, made_by_workers, made_here
from penstock.loader.positions import checked_position
from penstock.loader.protocols import Batch, LoaderState
from penstock.loader.segments import SegmentLoader
from penstock.loader.together import Together
from penstock.loader.workers import Losses
from penstock.manifest import ManifestInfo
from penstock.plan import (
    check_lanes,
    check_rank,
    check_segments,
    fewest_samples,
    locate,
    make_order,
    rank_batches,
    rank_samples,
    window_extents,
)
from penstock.plan.lanes import RankBatch
from penstock.records import Meters, Plan, StreamSpec
from penstock.sources import read_meter_files, sum_meters, take_later
from penstock.window import Prefetcher, WindowReader
from penstock.window.files import sweep_files
from penstock.window.life import patience_of

__all__ = ["WindowStream"]

STATE_VERSION = 1
LOGGED_SKIPS = 20
"""Skipped samples that are logged, each; the meters go on counting."""

_log = logging.getLogger(__name__)


class WindowStream:
    """Batches of all segments of all epochs, through one window.

    Args:
        folder: the window's folder; a prefetcher serves it, or is about to.
        manifest: path of the manifest, as the prefetcher sees it, absolute or relative to the window's folder.
        splits: ``(split, training)`` of an epoch's segments; training ones are shuffled, and transforms given chance.
        num_epochs: epochs that the stream is asked for.
        num_workers: processes that decode; 0 decodes in a thread of this one.
        rank: of the ``world_size`` ranks that read the stream.
        local_rank: of the ``local_world_size`` ranks that share the window, which are numbered without a gap; by
            default all of them do.
        pin_memory: have workers' batches copied to page-locked memory, for a GPU; needs CUDA.
        prefetcher: the child process that serves the window, where one does: why it is lost is told at once.
        drop_last: leave out batches that are not full.
        owner: whom requests are counted for, the same in each attempt at a run; None is this stream alone.
        meters: folder of the files that requests are counted in; None is the window's.
        most_requests: that may be made for the owner, those of earlier attempts included; None sets no bound.
        on_bad_sample: ``skip`` leaves out a sample that is not there, or whose bytes cannot be decoded; its batch is
            smaller by it, and ``meters`` count and name it. An object that changed is an error all the same.

    Raises:
        ConfigError: the ranks cannot share the lanes, there is no such rank, a split has fewer samples than there are
            ranks, or the decoder is of one sample at a time where extents hold several.
    """

    def __init__(
        self,
        *,
        folder: Path,
        manifest: Path,
        info: ManifestInfo,
        plan: Plan,
        splits: Sequence[tuple[str, bool]],
        decoding: Decoding,
        batch_size: int,
        num_epochs: int,
        num_workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        local_rank: int | None = None,
        local_world_size: int | None = None,
        timeout_seconds: float = 60.0,
        pin_memory: bool = False,
        prefetcher: Prefetcher | None = None,
        on_bad_sample: Literal["fail", "skip"] = "fail",
        drop_last: bool = False,
        owner: str | None = None,
        meters: Path | None = None,
        most_requests: int | None = None,
    ) -> None:
        self.order = order = make_order(info, plan, splits)
        check_lanes(plan.num_lanes, world_size)
        least = fewest_samples(batch_size=batch_size, world_size=world_size, drop_last=drop_last)
        check_segments(order, world_size, least=least)
        local_rank = rank if local_rank is None else local_rank
        num_local = world_size if local_world_size is None else local_world_size
        self._places = in_window(
            order,
            info,
            folder / manifest,
            num_lanes=plan.num_lanes,
            first_rank=rank - local_rank,
            num_ranks=num_local,
            world_size=world_size,
        )
        check_rank(local_rank, num_local)
        node = range(rank - local_rank, rank - local_rank + num_local)
        many = many_of(self._places, decoding, rank=rank, world_size=world_size, num_workers=num_workers, node=node)
        # Workers and views of the window free whole batches, ranks that share groups whole groups; otherwise ranks are
        # less than a round apart.
        frees_more = num_workers or (num_local > 1 if many is not None else not decoding.is_pure)
        most = self._places.most_extents(batch_size, num_local, world_size)
        self._end_index = order.num_samples * num_epochs
        self._settings = FeedSettings(
            folder=folder,
            spec=StreamSpec(
                session="",
                manifest=str(manifest),
                manifest_fingerprint=info.fingerprint,
                plan_fingerprint=plan.fingerprint,
                order=self._places.held,
                first_index=0,
                end_index=window_extents(self._places.held) * num_epochs,
                num_ranks=num_local,
                batch_extents=most if frees_more else num_local,
                num_files=num_local * max(1, num_workers) if decoding.takes_path else 0,
                on_bad_sample=on_bad_sample,
                owner=uuid.uuid4().hex if owner is None else owner,
                most_requests=most_requests,
                purpose="data",
                patience_seconds=patience_of(timeout_seconds),
            ),
            decoding=decoding,
            trained=tuple(training for _, training in splits),
            rank=local_rank,
            timeout_seconds=timeout_seconds,
            pin_memory=pin_memory,
            many=many,
        )
        self._num_lanes = plan.num_lanes
        self._batch_size, self._rank, self._world_size = batch_size, rank, world_size
        self._num_workers = num_workers
        self._lost: Callable[[], PenstockError | None] = prefetcher.error if prefetcher else lambda: None
        if prefetcher is not None:
            prefetcher.when_lost(self._end_workers_session)
        self._losses = Losses()
        self._drop_last, self._least = drop_last, least
        self._together = Together(folder=folder, rank=local_rank, num_ranks=num_local, timeout_seconds=timeout_seconds)
        self._last_session = ""
        self._next_index = 0
        self._reader: WindowReader | None = None
        self._running: Generator[tuple[RankBatch, Made], None, None] | None = None
        self._ahead: Ahead[Made] | None = None
        self._past_meters = Meters()
        self._meters_folder = folder if meters is None else meters
        self._traffic: dict[str, Meters] = {}

    def segment(self, number: int) -> SegmentLoader:
        """Return the loader of one segment of each epoch."""
        return SegmentLoader(self, number)

    def batches(self, epoch: int, segment: int) -> Iterator[Batch]:
        """Return what is left of a segment of an epoch, from the stream's position on.

        Raises:
            ConfigError: the stream has no such epoch.
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        start = epoch * self.order.num_samples + sum(part.num_samples for part in self.order.segments[:segment])
        end = start + self.order.segments[segment].num_samples
        if end > self._end_index:
            num_epochs = self._end_index // self.order.num_samples
            raise ConfigError(f"epoch {epoch} of a stream of {num_epochs} epochs", fix="ask for more epochs")
        if self._next_index < start:
            self._restart(start)
        while self._next_index < end:
            indices, item = self._next()
            if isinstance(item, Failed):
                self._stop()
                raise self._lost() or item.error
            # Workers' batches may still be in the window: the cursor moves when the next one is asked for.
            self._next_index = indices.next_index
            batch = self._note_skipped(item) if isinstance(item, Thinned) else item
            if batch is not None:
                yield batch
            self.advance()

    def advance(self) -> None:
        """Say that the batches that were given are not needed any more: their samples are freed."""
        if self._reader is not None and self._ahead is None:
            self._reader.advance(self._places.start(self._next_index))

    @property
    def num_samples(self) -> int:
        """Samples of one epoch's first segment, of all ranks."""
        return self.order.segments[0].num_samples

    def begin_epoch(self) -> None:
        """Go to the beginning of the next epoch, from the middle of one."""
        if passed := self._next_index % self.order.num_samples:
            self._restart(self._next_index - passed + self.order.num_samples)

    def part_samples(self) -> list[int]:
        """Return the sizes of the first segment's parts, of which there is one."""
        return [self.order.segments[0].num_samples]

    def interrupt(self) -> None:
        """End a wait of another thread soon."""
        if self._reader is not None:
            self._reader.interrupt()

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, that the next batch is of."""
        return self._next_index // self.order.num_samples

    def leave(self, *, patience_seconds: float) -> bool:
        """Wait until no other rank of the window is behind this one; False where one still is."""
        self.advance()
        reached = self._places.start(self._next_index)
        return self._together.wait_until_passed(self._last_session, reached, seconds=patience_seconds)

    def rank_samples(self, segment: int) -> int:
        """Return how many samples of a segment this rank is given in one epoch; none of one that there is not."""
        if segment >= len(self.order.segments):
            return 0
        return rank_samples(
            self.order.segments[segment].num_samples,
            batch_size=self._batch_size,
            rank=self._rank,
            world_size=self._world_size,
            drop_last=self._drop_last,
        )

    @property
    def next_index(self) -> int:
        """Stream index after the last batch that was given."""
        return self._next_index

    def state_dict(self) -> LoaderState:
        """Return the position after the last batch that was given."""
        spec = self._settings.spec
        return {
            "version": STATE_VERSION,
            "next_index": self._next_index,
            "manifest_fingerprint": spec.manifest_fingerprint,
            "plan_fingerprint": spec.plan_fingerprint,
            "order": msgspec.json.encode(self.order).decode(),
            "batch_size": self._batch_size * self._world_size,
        }

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position.

        Raises:
            CheckpointMismatch: it is of another plan, order, batch size or version, or no position in a stream.
        """
        self._restart(checked_position(state, self.state_dict()))

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far for the stream's owner in all attempts, by the ids it is counted under."""
        now = read_meter_files(self._meters_folder, self._settings.spec.owner)
        self._traffic = take_later(self._traffic, now)
        return self._traffic

    def moved(self) -> Meters:
        """Return what was moved so far, the window's sizes, and what was left out; not what was requested for it."""
        now = self._reader.meters().without_traffic() if self._reader is not None else Meters()
        return self._past_meters.plus(now)

    def meters(self) -> Meters:
        """Return what was moved so far, the window's sizes, what was left out, and ``traffic``."""
        return self.moved().plus(sum_meters(self.traffic()))

    def close(self) -> None:
        """Stop workers and let go of the window."""
        self._stop()

    def _note_skipped(self, thinned: Thinned) -> Batch | None:
        """Count and name what a batch lacks; give what is left of it."""
        for bad in thinned.skipped:
            if self._past_meters.num_skipped < LOGGED_SKIPS:
                _log.warning("sample.skipped sample=%s reason=%s", bad.key, bad.reason)
            self._past_meters = self._past_meters.plus(Meters(num_skipped=1, skipped=(bad,)))
        if thinned.batch is None and self._world_size > 1:
            last = thinned.skipped[-1]
            raise DataError(
                f"no sample of a batch could be used, the last one {last.key} ({last.reason})",
                fix="ranks step together, so none may be left without a sample: use larger batches, or mend the data",
                about=last.key,
            )
        batch: Batch | None = thinned.batch
        return batch

    def _restart(self, index: int) -> None:
        self._stop()
        place = locate(self.order, index)
        left = self.order.segments[place.segment].num_samples - place.position
        # A place of another number of ranks may lie where no batch begins any more.
        self._next_index = index if left >= self._least else index + left

    def _stop(self) -> None:
        """End the session: workers first see it end, so that none is waited for, and are gone when this returns."""
        with stopping.put_off():
            running, reader, ahead = self._running, self._reader, self._ahead
            self._running = self._reader = self._ahead = None
            if ahead is not None:
                ahead.close()
            if reader is not None:
                self._past_meters = self._past_meters.plus(reader.meters().without_traffic())
                reader.close()
                self.traffic()
            if running is not None:
                running.close()
            if self._settings.spec.num_files:
                # What workers leave, which end without a word.
                sweep_files(self._settings.folder)

    def _next(self) -> tuple[RankBatch, Made]:
        """Return the next batch of the session that runs, or of a new one."""
        while True:
            if self._running is None:
                self._running = self._run()
            try:
                return next(self._running)
            except ProcessLost as lost:
                self._stop()
                # Ranks that share a window begin its sessions together.
                if self._settings.spec.num_ranks > 1 or not self._losses.may_go_on(self._next_index):
                    raise
                _log.warning("workers.restart next_index=%d reason=%s", self._next_index, lost.what)
            except BaseException:
                # What broke off the wait broke off the session with it: the next batch comes from a new one.
                self._stop()
                raise

    def _run(self) -> Generator[tuple[RankBatch, Made], None, None]:
        asked = self._settings
        start = self._next_index
        spec = msgspec.structs.replace(asked.spec, session=uuid.uuid4().hex, first_index=self._places.start(start))
        self._together.wait_for_the_end(self._last_session)
        self._reader = reader = WindowReader(
            asked.folder, spec, rank=asked.rank, timeout_seconds=asked.timeout_seconds, lost=self._lost
        )
        reader.begin()
        self._last_session = reader.spec.session
        self._together.wait_for_all(self._last_session)
        settings = replace(asked, spec=reader.spec)
        plan = self._plan(start)
        if self._num_workers:
            with contextlib.closing(
                made_by_workers(settings, reader, self._plan(start), num_workers=self._num_workers)
            ) as from_workers:
                yield from zip(plan, from_workers, strict=True)
            return
        batches = made_here(settings, reader, self._plan(start))
        if asked.decoding.is_pure:
            # Others may draw from generators that the training loop draws from: never beside it.
            self._ahead = Ahead(batches, depth=AHEAD_BATCHES, interrupt=reader.interrupt)
        ahead = self._ahead
        try:
            yield from zip(plan, ahead or batches, strict=True)
        finally:
            if ahead is not None:
                ahead.close()

    def _end_workers_session(self) -> None:
        """Have workers end that wait for a prefetcher which is lost: they cannot know."""
        if self._num_workers and (reader := self._reader) is not None:
            reader.end()

    def _plan(self, first_index: int) -> Iterator[RankBatch]:
        return rank_batches(
            self.order,
            first_index=first_index,
            end_index=self._end_index,
            batch_size=self._batch_size,
            num_lanes=self._num_lanes,
            rank=self._rank,
            world_size=self._world_size,
            drop_last=self._drop_last,
        )
