"""Batches of samples of several datasets."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from torch.utils.data import IterableDataset

from penstock.dataset.member_feed import Feed, pack
from penstock.dataset.mixed_positions import check_mixed_position
from penstock.dataset.proportions import Draws, Stop, epoch_counts, rounds
from penstock.dataset.structure import structure_of
from penstock.errors import ConfigError, DataError, StreamMisused, WindowTooSmall
from penstock.loader.collate import ReusingCollate
from penstock.loader.failures import noting
from penstock.records import Meters
from penstock.stream import LeftOut
from penstock.stream.checks import count
from penstock.stream.epochs import Nothing, pinned
from penstock.stream.face import Stream
from penstock.stream.options import Options

__all__ = ["MixedLoader"]

_MEBIBYTES: Final = re.compile(r"\b([0-9]+)Mi\b")
"""Of the window that a member needs, in an advice."""
STATE_VERSION = 2


class MixedLoader(IterableDataset[Any]):
    """Batches of a mix, epoch after epoch; ``Mixed.loader`` opens it, and it behaves as ``Stream`` does.

    A position may be saved anywhere and taken up with another batch size or number of workers, but by as many ranks.

    Args:
        options: that were asked for.
        own: of each member.
        shares: of the members, which make 1 together.

    Raises:
        PenstockError: a member cannot be opened.
    """

    def __init__(
        self, options: Options, own: Sequence[Options], *, shares: Sequence[float], seed: int, stop: Stop
    ) -> None:
        self._options, self._shares, self._seed, self._stop = options, shares, seed, stop
        self._is_checked = isinstance(options.decoder.collate, ReusingCollate)
        self._streams: list[Stream] = []
        self._feeds: list[Feed] = []
        self._structures: dict[int, str] = {}
        self._fingerprints: dict[int, str] = {}
        self._epoch = self._position = self._loops = 0
        self._asked_epoch: int | None = None
        self._loaded: Mapping[str, Any] | None = None
        self._saved: dict[str, Any] | None = None
        with contextlib.ExitStack() as stack:
            for number, each in enumerate(own):
                decoder = replace(each.decoder, collate=pack)
                with _of_member(number, each, options):
                    stream = Stream.made_of(replace(each, decoder=decoder))
                self._streams.append(stack.enter_context(stream))
            self._stack = stack.pop_all()

    @property
    def num_samples(self) -> int:
        """Samples of one epoch, of all ranks."""
        return sum(self._counts()) * self._world_size()

    def __len__(self) -> int:
        """Return this rank's batches of one epoch."""
        number, size = sum(self._counts()), self._options.batch_size
        return number // size if self._options.drop_last else -(-number // size)

    def __iter__(self) -> Iterator[Any]:
        """Begin a fresh epoch, or go on from the position that was loaded; an iterator from before is over.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        self._loops += 1
        counts = self._counts()
        sizes = self._sizes()
        self._feeds = [Feed(stream, size) for stream, size in zip(self._streams, sizes, strict=True)]
        asked, self._asked_epoch = self._asked_epoch, None
        if self._loaded is None:
            self._saved = None
            self._epoch = asked if asked is not None else self._epoch + (self._position > 0)
            self._position = 0
        most = self._options.num_epochs
        if most is not None and self._epoch >= most:
            raise ConfigError(f"epoch {self._epoch} of a mix of {most} epochs", fix="ask for more epochs")
        if self._position:
            assert self._loaded is not None
            for feed, state in zip(self._feeds, self._loaded["members"], strict=True):
                feed.load_state_dict(state)
        else:
            for feed, number, size in zip(self._feeds, counts, sizes, strict=True):
                feed.begin(self._epoch * rounds(number, size))
        return self._batches(self._loops, counts)

    def __repr__(self) -> str:
        return f"<MixedLoader of {len(self._shares)} datasets: batches of {self._options.batch_size}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, of the position that was reached: after an epoch's last batch it is the next one."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next loop that epoch, 0-based, as ``Stream.set_epoch`` does.

        Raises:
            ConfigError: it is no number of an epoch.
        """
        self._asked_epoch = count("epoch", epoch, 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch that was given, to save in a checkpoint; the same on all ranks."""
        if self._saved is not None:
            return self._saved
        return self._state([])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved position: the next batch is the one that would have come.

        Raises:
            CheckpointMismatch: it is of another mix, or of another number of ranks in the middle of an epoch.
        """
        check_mixed_position(state, self._state([]), sizes=self._sizes(), num_samples=sum(self._counts()))
        for stream, member in zip(self._streams, state["members"], strict=False):
            stream.load_state_dict(member["stream"])
        self._loops += 1
        self._asked_epoch = None
        self._epoch, self._position = state["epoch"], state["position"]
        self._loaded, self._saved = state, dict(state)

    def meters(self) -> Meters:
        """Return what was moved so far for all members, of this node."""
        return reduce(Meters.plus, (stream.meters() for stream in self._streams))

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the members' listings left out."""
        return tuple(item for stream in self._streams for item in stream.left_out)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, where all members have the same; empty where they do not."""
        found = {stream.classes for stream in self._streams}
        return found.pop() if len(found) == 1 else ()

    def close(self) -> None:
        """End what the members began."""
        self._stack.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise StreamMisused(
            "the loader of a mix cannot be pickled or copied: it has processes and windows of its own",
            fix="make it in the process that needs it; to decode in several processes give it workers=",
        )

    def _batches(self, loop: int, counts: Sequence[int]) -> Iterator[Any]:
        size, total = self._options.batch_size, sum(counts)
        draws = Draws(counts, seed=self._seed, epoch=self._epoch)
        for first in range(self._position, total, size):
            members = draws(first, size).tolist()
            if self._options.drop_last and len(members) < size:
                break
            if loop != self._loops:
                raise StreamMisused(
                    "another loop over this mix was begun, or a position loaded, since this one began",
                    fix="use one iterator at a time",
                )
            left = [value for value in map(self._take, members) if not isinstance(value, Nothing)]
            batch = self._options.decoder.collate(left) if left else None
            self._reach(first + len(members), total)
            if left:
                yield pinned(batch) if self._options.pin_memory else batch
            elif self._world_size() > 1:
                raise DataError(
                    "nothing is left of a batch",
                    fix="ranks step together, so none may be left without a sample: use larger batches, or leave out "
                    "by key, with where",
                )

    def _take(self, member: int) -> Any:
        feed = self._feeds[member]
        if feed.is_empty:
            with _of_member(member, self._streams[member]._options, self._options):
                feed.next_chunk()
        value = feed.take()
        if self._is_checked and member not in self._structures and not isinstance(value, Nothing):
            self._check_structure(member, structure_of(value))
        return value

    def _check_structure(self, member: int, structure: str) -> None:
        for other, known in self._structures.items():
            if known != structure:
                raise ConfigError(
                    f"members {other} and {member} of the mix give values of different structure: {known[:200]}, and "
                    f"{structure[:200]}",
                    fix="make them alike with map or select, or give a collate of your own",
                )
        self._structures[member] = structure

    def _reach(self, position: int, total: int) -> None:
        """Note the position behind a batch."""
        self._loaded = None
        left = total - position
        if left < (self._options.batch_size if self._options.drop_last else 1):
            self._epoch, self._position = self._epoch + 1, 0
            self._saved = self._state([])
        else:
            self._position = position
            self._saved = self._state([feed.state_dict() for feed in self._feeds])

    def _state(self, members: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "mix": self._fingerprint(),
            "world_size": self._world_size(),
            "epoch": self._epoch,
            "position": self._position,
            "members": members,
        }

    def _fingerprint(self) -> str:
        """Return what tells this mix, with its members' data and orders, from any other."""
        world_size = self._world_size()
        if world_size not in self._fingerprints:
            asked = (self._stop, self._seed, [round(share, 9) for share in self._shares], self._counts())
            places = [stream.state_dict() for stream in self._streams]
            orders = [
                [place[name] for name in ("manifest_fingerprint", "plan_fingerprint", "order")] for place in places
            ]
            self._fingerprints[world_size] = hashlib.sha256(repr((asked, orders)).encode()).hexdigest()
        return self._fingerprints[world_size]

    def _world_size(self) -> int:
        self._streams[0]._settle()
        return self._streams[0]._reading.ranks.world_size

    def _sizes(self) -> list[int]:
        """Return the samples of each member's epoch that every rank is given."""
        world_size = self._world_size()
        return [stream.num_samples // world_size for stream in self._streams]

    def _counts(self) -> list[int]:
        return epoch_counts(self._sizes(), self._shares, stop=self._stop)


@contextlib.contextmanager
def _of_member(number: int, own: Options, asked: Options) -> Iterator[None]:
    """Say which member an error is of."""
    try:
        with noting(f"penstock: member {number} (from 0) of the mix, {own.source.uri}"):
            yield
    except WindowTooSmall as error:
        part = own.window_bytes / asked.window_bytes
        error.fix = _MEBIBYTES.sub(lambda found: f"{math.ceil(int(found[1]) / part)}Mi", error.fix, count=1)
        error.fix += f" (of the window of {asked.window_bytes} bytes, {own.window_bytes} are this member's)"
        raise
