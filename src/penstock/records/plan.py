"""The plan: which order the samples of a manifest come in, and how a stream of them is asked for."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal, TypeAlias

from penstock.records.codec import Part, Record, encode_record

__all__ = [
    "BlockShuffle",
    "MixLimit",
    "MixTree",
    "MixWeight",
    "Mixing",
    "Order",
    "Plan",
    "RankShare",
    "Repeat",
    "Segment",
    "Shuffle",
    "StreamSpec",
]


class BlockShuffle(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shuffling that keeps neighbours near: blocks in random order, and the samples of some blocks mixed.

    Attributes:
        block_samples: consecutive rows of a block.
        blocks_mixed: blocks, one after the other in the random order, whose samples are spread over one another.
    """

    block_samples: int
    blocks_mixed: int


Shuffle: TypeAlias = Literal["full", "none"] | BlockShuffle
"""How a split is shuffled, anew each epoch: every sample anywhere, not at all, or by blocks."""


class Repeat(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parts of a split, each read several times before the next (``penstock.plan.repeating``).

    Attributes:
        part_extents: consecutive rows of a part.
        passes: how often each is read, which makes an epoch as much longer.
    """

    part_extents: int
    passes: int


class MixWeight(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A weight in each epoch of a mix: values by the epochs, ascending from 0, that they begin with."""

    firsts: tuple[int, ...]
    values: tuple[float, ...]


class MixTree(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Members of a mix with their weights.

    Attributes:
        members: of each that is a mix of its own; None are datasets.
        weights: None are the members' sizes.
    """

    members: tuple[MixTree | None, ...]
    weights: tuple[MixWeight, ...] | None
    temperature: float


class MixLimit(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a member in each epoch of a mix; None is none."""

    most_samples: int | None
    most_epochs: int | None


class Mixing(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the training samples of several datasets are drawn together.

    Attributes:
        stop: what an epoch is, as ``penstock.mix`` has it.
        samples: of an epoch that repeats.
        limits: of each dataset.
        seed: of the draws.
        plans: of each dataset, in the manifest's order of them.
    """

    tree: MixTree
    stop: Literal["first", "all", "once", "repeat"]
    samples: int | None
    limits: tuple[MixLimit, ...]
    seed: int
    plans: tuple[Plan, ...]


class Plan(Record, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything that the order of samples depends on, besides the epoch's number.

    Attributes:
        manifest_fingerprint: the manifest that it belongs to.
        seed: of the shuffle.
        num_lanes: ordered streams that ranks share out; a world size must divide it.
        shuffle: how the training split is shuffled anew each epoch.
        mix: extents that are opened together, whose samples are shuffled together, where extents have several.
        batch_size: samples of a step, where whoever described the dataset says so.
        mixing: how the datasets are drawn from, where there are several.
        repeat: how parts of the training split are read several times each; None reads everything once an epoch.
    """

    kind: ClassVar[str] = "plan"
    version: ClassVar[int] = 3
    remake: ClassVar[str] = "list again: `penstock list` makes another"

    manifest_fingerprint: str
    seed: int
    num_lanes: int
    shuffle: Shuffle
    mix: int
    batch_size: int | None = None
    mixing: Mixing | None = None
    repeat: Repeat | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the encoded plan."""
        return hashlib.sha256(encode_record(self)).hexdigest()


class Segment(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A split's part of each epoch of a stream.

    Attributes:
        first_row: first manifest row of the split.
        num_extents: that an epoch has of it: rows of the split, as often as they are repeated.
        num_samples: of them.
        shuffle: "none" gives the manifest's order, the same each epoch.
        mix: extents that are opened together.
        repeat: parts that are read several times each.
    """

    split: str
    first_row: int
    num_extents: int
    num_samples: int
    shuffle: Shuffle
    mix: int
    repeat: Repeat | None = None

    @property
    def num_rows(self) -> int:
        """Manifest rows of the split."""
        return self.num_extents // self.num_passes

    @property
    def num_passes(self) -> int:
        """How often each of them comes in an epoch."""
        return 1 if self.repeat is None else self.repeat.passes


class RankShare(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ranks of a world that one window serves: ``num_ranks`` from ``first_rank`` on, of ``world_size``.

    A window that serves all of them holds everything, whatever their number; that is written as one of one.
    """

    first_rank: int = 0
    num_ranks: int = 1
    world_size: int = 1


class Order(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order of a stream: each epoch gives its segments one after the other.

    Position ``p`` of epoch ``e`` has the stream index ``e * num_samples + p``.

    Attributes:
        share: which ranks' samples a window of this order holds; it numbers them densely (``penstock.plan.nodes``).
    """

    segments: tuple[Segment, ...]
    seed: int
    share: RankShare = RankShare()

    @property
    def num_extents(self) -> int:
        """Extents of one epoch, all segments and all ranks together."""
        return sum(segment.num_extents for segment in self.segments)

    @property
    def num_samples(self) -> int:
        """Samples of one epoch, all segments and all ranks together."""
        return sum(segment.num_samples for segment in self.segments)


class StreamSpec(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trainer asks of its prefetcher: handed over as ``session.json`` in the window's folder.

    Attributes:
        session: unique name of this asking; a new one replaces the last.
        manifest: path of the manifest as the prefetcher sees it, relative to the window's folder or absolute.
        plan_fingerprint: what the trainer's plan hashes to.
        order: which samples, in which order.
        first_index: window index to begin at; window indices number the extents of the order's share.
        end_index: window index to end before.
        num_ranks: readers that share the window, one cursor each.
        batch_extents: extents that must be in the window at once.
        num_files: extents that readers may hold as files at the same time.
        on_bad_sample: whether a sample that cannot be had ends the stream, or is left out, counted and named.
        owner: whom its requests are counted for: the step of a run, the same in each of its attempts.
        most_requests: that may be counted for its owner, those of earlier attempts included; None sets no bound.
        purpose: that they are counted as.
        patience_seconds: after which a reader gives up a prefetcher that gets nothing done: the source's own errors are
            to come before that.
    """

    kind: ClassVar[str] = "stream"
    version: ClassVar[int] = 6

    session: str
    manifest: str
    manifest_fingerprint: str
    plan_fingerprint: str
    order: Order
    first_index: int
    end_index: int
    num_ranks: int
    batch_extents: int
    num_files: int
    on_bad_sample: Literal["fail", "skip"]
    owner: str
    purpose: Literal["data", "probe"]
    patience_seconds: float
    most_requests: int | None = None
