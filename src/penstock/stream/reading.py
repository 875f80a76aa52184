"""What a ``Stream`` holds: its window, prefetcher and listing, or those of the node's first rank, and its reading.

It knows nothing of the stream that it belongs to, so that a stream that nobody refers to any more can be ended.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.loader.ranks import Found
from penstock.manifest.following import open_listing
from penstock.manifest.listed import Listing
from penstock.options.window import ServingOptions
from penstock.plan.ranks import ONE_RANK, Ranks
from penstock.records import Meters
from penstock.sources import read_meter_files, sum_meters, take_later
from penstock.sources.registry import scheme_name
from penstock.stream.left_out import LeftOut, left_out_of
from penstock.stream.listing import begin_listing, cached_manifest_of
from penstock.stream.options import Options
from penstock.stream.rendezvous import Rendezvous, Serving, rendezvous_of, wait_for_serving
from penstock.temporary import TemporaryFolder
from penstock.window import Prefetcher, claim_job, start_prefetcher

if TYPE_CHECKING:
    from penstock.loader import LoaderState
    from penstock.loader.dataset_stream import DatasetStream

__all__ = ["Reading", "alone"]

LANES = 2**7 * 3**3 * 5**2 * 7 * 11 * 13
"""Any number of ranks up to 16 shares them evenly, and most larger ones."""
LEAVE_SECONDS = 10.0
"""How long the first rank of a node serves others that are behind it, once it is closed itself."""

_shared: defaultdict[tuple[int, str], Iterator[int]] = defaultdict(itertools.count)
"""Numbers of streams that were shared, by rank and by what the ranks have in common."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """Where batches come from: a window, and what tells what is in it."""

    window: Path
    listing: Listing
    serving: Serving
    meters: Path
    prefetcher: Prefetcher | None = None


def alone() -> Found:
    """Return the ranks of a process that is the only one."""
    return Found(ranks=ONE_RANK)


class Reading:
    """Opens what it needs with ``settle``, and ends it with ``close``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._cached = cached_manifest_of(options)
        self._stack = contextlib.ExitStack()
        self._own: _Source | None = None
        self._rendezvous: Rendezvous | None = None
        self._found: Found | None = None
        self._stream: DatasetStream | None = None
        self._past_meters = Meters()
        self._counted_in: Path | None = None
        self._traffic: dict[str, Meters] = {}
        self._listing: Listing | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is something to read from."""
        return self._stream is not None

    @property
    def ranks(self) -> Ranks:
        """Those that it was settled for."""
        return self._found.ranks if self._found is not None else ONE_RANK

    @property
    def stream(self) -> DatasetStream:
        """The batches; ``settle`` comes first."""
        assert self._stream is not None
        return self._stream

    def settle(self, found: Found) -> None:
        """Read as one of these ranks from now on, at the position that was reached.

        Raises:
            PenstockError: the source cannot be listed, an option cannot be honoured, or a rank is missing.
        """
        if self._stream is not None and found == self._found:
            return
        state = self._stream.state_dict() if self._stream is not None else None
        self._leave_stream()
        try:
            source = self._source(found)
            from penstock.stream.opening import open_stream  # here: it is imported while the listing goes on

            self._listing, self._counted_in = source.listing, source.meters
            self._found = found
            self._stream = open_stream(
                source.listing,
                self._options,
                found.ranks,
                window=source.window,
                meters=source.meters,
                prefetcher=source.prefetcher,
            )
            if state is not None:
                self.load(state)
        except BaseException:
            self.close(patience_seconds=0)
            self._found = None
            raise

    def begin_at(self, epoch: int, *, has_given: bool) -> None:
        """Go to the beginning of an epoch.

        Args:
            has_given: whether the epoch that the stream is in has given a batch.
        """
        stream = self.stream
        if not has_given and stream.epoch == epoch:
            return
        stream.begin_epoch()
        if stream.epoch != epoch:
            stream.load_state_dict({**stream.state_dict(), "next_index": epoch * stream.num_samples})

    def load(self, state: LoaderState) -> None:
        """Take up a position; of any batch size and any number of ranks, since it is one in the order of all.

        Raises:
            CheckpointMismatch: it is of another dataset or order, or no position at all.
        """
        from penstock.loader.positions import check_is_position

        check_is_position(state)
        stream = self.stream
        stream.load_state_dict({**state, "batch_size": stream.state_dict()["batch_size"]})

    def meters(self) -> Meters:
        """Return what was moved so far, by the listing too."""
        now = self._stream.moved() if self._stream is not None else Meters()
        self._note_traffic()
        return self._past_meters.plus(now).plus(sum_meters(self._traffic))

    def _note_traffic(self) -> None:
        """Look at what was counted so far, by whichever process of the node."""
        self._traffic = take_later(self._traffic, read_meter_files(self._counted_in))

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return what the listing left out; waits for the end of one that goes on."""
        assert self._listing is not None
        return left_out_of(self._listing.whole().info.skipped)

    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes that targets are the numbers of; waits for the end of a listing."""
        assert self._listing is not None
        return self._listing.whole().info.classes

    def note_error(self, error: BaseException) -> None:
        """Forget a manifest that was kept, where an error shows that it is not what is there any more."""
        if self._cached is not None:
            self._cached.forget(error)

    def interrupt(self) -> None:
        """End a wait of another thread soon."""
        if self._stream is not None:
            self._stream.interrupt()

    def close(self, *, patience_seconds: float = LEAVE_SECONDS) -> None:
        """End everything that it began; the node's first rank waits a while for others that are behind it."""
        if self._rendezvous is not None and self._stream is not None and patience_seconds:
            self._stream.leave(patience_seconds=min(patience_seconds, self._options.timeout_seconds))
        self._leave_stream()
        self._own = self._rendezvous = None
        self._stack.close()

    def _leave_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._past_meters = self._past_meters.plus(self._stream.moved())
            self._stream = None

    def _source(self, found: Found) -> _Source:
        """Return what to read from: shared with the node's other ranks where it has some."""
        if found.ranks.local_world_size == 1:
            if self._rendezvous is not None:
                self._rendezvous.close()
                self._rendezvous = None
            return self._own or self._begin(lambda serving: None)
        in_common = self._options.in_common()
        number = next(_shared[found.ranks.rank, in_common])
        path = rendezvous_of(found.ranks, found.token, environ=os.environ, options=in_common, number=number)
        if found.ranks.local_rank == 0:
            return self._serve(path)
        self.close(patience_seconds=0)
        return self._join(path)

    def _serve(self, path: Path) -> _Source:
        """Return one's own source, and tell the others of the node of it."""
        if self._rendezvous is not None:
            self._rendezvous.close()
        self._rendezvous = rendezvous = Rendezvous(path)
        self._stack.callback(rendezvous.close)
        try:
            own = self._own or self._begin(rendezvous.tell)
        except PenstockError as error:
            rendezvous.tell(Serving(error=(type(error).__name__, error.what, error.fix, error.about)))
            # Held until this process ends: others may not have seen it yet.
            self._stack.pop_all()
            atexit.register(rendezvous.close)
            raise
        rendezvous.tell(own.serving)
        return own

    def _begin(self, tell: Callable[[Serving], None]) -> _Source:
        """Start a prefetcher and list the source, to its first part at least.

        Args:
            tell: called with what other ranks need, as soon as they may follow the listing.
        """
        options = self._options
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(TemporaryFolder("penstock-stream-"))
            window, meters = options.folder or folder / "window", folder / "meters"
            self._counted_in = meters
            # Not before the prefetcher has ended: what it sends to its last moment counts.
            stack.callback(self._note_traffic)
            stack.enter_context(claim_job(window))
            # It gets ready while the source is listed.
            asked = ServingOptions(
                prefetch="process",
                window_size=options.window_bytes,
                in_flight=options.in_flight,
                meters=meters,
                ready_for=scheme_name(options.source.uri),
            )
            if options.helpers is not None:
                # All that they fill windows for ends together.
                stack.callback(options.helpers.close)
                child: Prefetcher | None = options.helpers.begin_window(window, asked)
            else:
                child = start_prefetcher(window, asked, environment=options.environment)
                assert child is not None
                stack.enter_context(child)
            begun = begin_listing(options, stack, self._cached, folder=folder, meters=meters, num_lanes=LANES)
            serving = Serving(
                window=str(window),
                manifest=str(begun.manifest),
                plan=str(begun.plan),
                meters=str(meters),
                goes_on=begun.goes_on,
            )
            self._own = _Source(window=window, listing=begun.listing, serving=serving, meters=meters, prefetcher=child)
            tell(serving)
            self._stack.push(stack.pop_all())
        return self._own

    def _join(self, path: Path) -> _Source:
        """Return the source of the node's first rank."""
        timeout_seconds = self._options.timeout_seconds
        serving = wait_for_serving(path, timeout_seconds=timeout_seconds)
        listing = open_listing(
            Path(serving.manifest), Path(serving.plan), goes_on=serving.goes_on, timeout_seconds=timeout_seconds
        )
        return _Source(window=Path(serving.window), listing=listing, serving=serving, meters=Path(serving.meters))
