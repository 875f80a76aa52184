"""Batches of samples of several datasets."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from penstock.dataset.epoch_loader import EpochLoader
from penstock.dataset.member_feed import Feed, pack
from penstock.dataset.mixed_epochs import MixEpochs
from penstock.dataset.mixed_helpers import helpers_for
from penstock.dataset.mixed_positions import check_mixed_position, check_passed
from penstock.dataset.proportions import Limit, Rule, Turns
from penstock.dataset.structure import structure_of
from penstock.dataset.weights import Weighed
from penstock.errors import ConfigError, DataError, WindowTooSmall
from penstock.loader.collate import ReusingCollate
from penstock.loader.failures import noting, putting_together
from penstock.plan.ranks import Ranks
from penstock.records import Meters
from penstock.stream import LeftOut
from penstock.stream.epochs import NOTHING, Nothing, pinned
from penstock.stream.face import Stream
from penstock.stream.options import Options
from penstock.units import in_whole

__all__ = ["MixedLoader", "Share"]

STATE_VERSION = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a member of a mix gives, of all ranks.

    Attributes:
        source: where its samples lie.
        share: of the epoch's samples, by its weight.
        planned: samples of the epoch.
        given: of all epochs since the beginning, runs that saved a position included.
    """

    source: str
    share: float
    planned: int
    given: int


class MixedLoader(EpochLoader):
    """Batches of a mix, epoch after epoch; ``Mixed.loader`` opens it, and it behaves as ``Stream`` does.

    A position may be saved anywhere, and taken up with another batch size, and number of workers or ranks.

    Args:
        options: that were asked for.
        own: of each member.
        weighed: the members' weights.
        limits: of each member.

    Raises:
        PenstockError: a member cannot be opened.
    """

    called = "the loader of a mix"

    def __init__(
        self,
        options: Options,
        own: Sequence[Options],
        *,
        weighed: Weighed,
        rule: Rule,
        limits: Sequence[Limit],
        seed: int,
    ) -> None:
        super().__init__()
        self._options, self._own = options, own
        self._weighed, self._rule, self._limits, self._seed = weighed, rule, limits, seed
        self._is_checked = isinstance(options.decoder.collate, ReusingCollate)
        self._streams: list[Stream] = []
        self._feeds: list[Feed] = []
        self._structures: dict[int, str] = {}
        self._epochs: MixEpochs | None = None
        self._name = ""
        self._passed, self._given = [0] * len(own), [0] * len(own)
        with contextlib.ExitStack() as stack:
            shared = helpers_for(own, stack)
            for number, each in enumerate(own):
                decoder = replace(each.decoder, collate=pack, stand_in=NOTHING)
                with _of_member(number, each, options):
                    stream = Stream.made_of(replace(each, decoder=decoder, helpers=shared.of(each)))
                self._streams.append(stack.enter_context(stream))
            shared.end_listings()
            self._held = stack.pop_all()

    @property
    def num_samples(self) -> int:
        """Samples of the epoch, of all ranks."""
        return self._whole().left * self._world_size()

    def __len__(self) -> int:
        """Return this rank's batches of the epoch."""
        number, size = self._whole().left, self._options.batch_size
        return number // size if self._options.drop_last else -(-number // size)

    def __iter__(self) -> Iterator[Any]:
        """Begin a fresh epoch, or go on from the position that was loaded; an iterator from before is over.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        self._loops += 1
        world_size = self._world_size()
        if not self._feeds or self._feeds[0].world_size != world_size:
            self._feeds = [Feed(stream) for stream in self._streams]
        asked, self._asked_epoch = self._asked_epoch, None
        if not self._has_loaded:
            self._epoch = asked if asked is not None else self._epoch + any(self._passed)
            self._passed = [0] * len(self._own)
        most = self._options.num_epochs
        if most is not None and self._epoch >= most:
            raise ConfigError(f"epoch {self._epoch} of a mix of {most} epochs", fix="ask for more epochs")
        turns = self._known().turns(self._epoch, list(self._passed), world_size=world_size)
        if turns.left < self._least():
            told = f"epoch {self._epoch} of the mix has {turns.left} samples for each of {world_size} ranks"
            raise ConfigError(
                f"{told}, and a batch needs {self._least()}",
                fix="use fewer ranks or smaller batches, or give small members more weight",
            )
        return self._batches(self._loops, turns)

    def __repr__(self) -> str:
        return f"<MixedLoader of {len(self._own)} datasets: batches of {self._options.batch_size}>"

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch that was given, to save in a checkpoint; the same on all ranks."""
        self._known()
        return {
            "version": STATE_VERSION,
            "mix": self._name,
            "epoch": self._epoch,
            "passed": list(self._passed),
            "given": list(self._given),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved position: the next batch is the one that would have come.

        With as many ranks as saved it samples come in the very order that they would have; with others each member's
        do, and the members' turns go on from what was given of each.

        Raises:
            CheckpointMismatch: it is of another mix, or none.
        """
        check_mixed_position(state, self.state_dict())
        epoch, passed = state["epoch"], list(state["passed"])
        check_passed(passed, [quota.count for quota in self._known().quotas(epoch)])
        self._loops += 1
        self._asked_epoch = None
        self._given = list(state["given"])
        left = self._known().turns(epoch, list(passed), world_size=self._world_size()).left
        self._reach(epoch, passed, left)
        self._has_loaded = True

    @property
    def ranks(self) -> Ranks:
        """Which of the processes that read together this one is, and how many there are."""
        return self._streams[0].ranks

    @property
    def shares(self) -> tuple[Share, ...]:
        """What each member gives to the epoch, and gave so far."""
        known = self._known()
        return tuple(
            Share(source=own.source.uri, share=share, planned=quota.count, given=given)
            for own, share, quota, given in zip(
                self._own, known.shares(self._epoch), known.quotas(self._epoch), self._given, strict=True
            )
        )

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

    def _batches(self, loop: int, turns: Turns) -> Iterator[Any]:
        size, epoch, world_size = self._options.batch_size, self._epoch, self._world_size()
        given = self._given
        while turns.left >= self._least():
            self._check_loop(loop)
            drawn = list(itertools.islice(turns, size))
            left = [value for value in map(self._take, drawn) if not isinstance(value, Nothing)]
            with putting_together(left):
                batch = self._options.decoder.collate(left) if left else None
            given = [each + world_size * number for each, number in zip(given, _times(drawn, given), strict=True)]
            self._given, self._has_loaded = given, False
            self._reach(epoch, turns.given, turns.left)
            if left:
                yield pinned(batch) if self._options.pin_memory else batch
            elif world_size > 1:
                raise DataError(
                    "nothing is left of a batch",
                    fix="ranks step together, so none may be left without a sample: use larger batches, or leave out "
                    "by key, with where",
                )

    def _take(self, turn: tuple[int, int]) -> Any:
        member, position = turn
        feed = self._feeds[member]
        if not feed.has(position):
            with _of_member(member, self._own[member], self._options):
                feed.fetch(position)
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

    def _reach(self, epoch: int, passed: Sequence[int], left: int) -> None:
        """Note the position behind a batch: the next epoch's where too little is left of this one."""
        is_over = left < self._least()
        self._epoch = epoch + is_over
        self._passed = [0] * len(passed) if is_over else list(passed)

    def _least(self) -> int:
        """Return the samples of the fewest batch of a rank."""
        return self._options.batch_size if self._options.drop_last else 1

    def _whole(self) -> Turns:
        """Return the turns of the whole epoch that the next loop is of."""
        epoch = self._epoch if self._asked_epoch is None else self._asked_epoch
        return self._known().turns(epoch, [0] * len(self._own), world_size=self._world_size())

    def _world_size(self) -> int:
        return self.ranks.world_size

    def _known(self) -> MixEpochs:
        """Return the epochs of the mix, which its members' sizes tell."""
        if self._epochs is None:
            sizes = tuple(stream.num_samples for stream in self._streams)
            asked = (self._weighed, self._rule, tuple(self._limits), self._seed)
            states = [stream.state_dict() for stream in self._streams]
            names = ("manifest_fingerprint", "plan_fingerprint", "order")
            orders = [[state[name] for name in names] for state in states]
            self._name = hashlib.sha256(repr((asked, sizes, orders)).encode()).hexdigest()
            self._epochs = MixEpochs(
                weighed=self._weighed, rule=self._rule, limits=self._limits, seed=self._seed, sizes=sizes
            )
        return self._epochs


def _times(drawn: Sequence[tuple[int, int]], members: Sequence[int]) -> list[int]:
    """Return how often each member was drawn."""
    found = [0] * len(members)
    for member, _ in drawn:
        found[member] += 1
    return found


@contextlib.contextmanager
def _of_member(number: int, own: Options, asked: Options) -> Iterator[None]:
    """Say which member an error is of."""
    try:
        with noting(f"penstock: member {number} (from 0) of the mix, {own.source.uri}"):
            yield
    except WindowTooSmall as error:
        part = own.window_bytes / asked.window_bytes
        error.fix = in_whole(error.fix, part)
        error.fix += f" (of the window of {asked.window_bytes} bytes, {own.window_bytes} are this member's)"
        raise
