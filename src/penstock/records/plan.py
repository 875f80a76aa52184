"""The plan: which order the samples of a manifest come in, and how a stream of them is asked for."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from penstock.records.codec import Part, Record, encode_record

__all__ = ["Order", "Plan", "StreamSpec"]


class Plan(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the order of samples depends on, besides the epoch's number.

    Attributes:
        manifest_fingerprint: the manifest that it belongs to.
        seed: of the shuffle.
        num_lanes: ordered streams that ranks share out; a world size must divide it.
        shuffle: whether the training split is shuffled anew each epoch.
    """

    kind: ClassVar[str] = "plan"
    version: ClassVar[int] = 1

    manifest_fingerprint: str
    seed: int
    num_lanes: int
    shuffle: bool

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the encoded plan."""
        return hashlib.sha256(encode_record(self)).hexdigest()


class Order(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order of one split over epochs: position ``p`` of epoch ``e`` is stream index ``e * num_samples + p``.

    Attributes:
        first_row: first manifest row of the split.
        num_samples: rows of the split.
        shuffle: False gives the manifest's order, the same each epoch.
    """

    first_row: int
    num_samples: int
    seed: int
    shuffle: bool


class StreamSpec(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trainer asks of its prefetcher: handed over as ``session.json`` in the window's folder.

    Attributes:
        session: unique name of this asking; a new one replaces the last.
        manifest: local path of the manifest, as the prefetcher sees it.
        plan_fingerprint: what the trainer's plan hashes to.
        first_index: stream index (epoch * samples of the split + position) to begin at.
        end_index: stream index to end before.
        num_ranks: readers that share the window, one cursor each.
        batch_bytes: the most bytes one batch needs in the window at once.
    """

    kind: ClassVar[str] = "stream"
    version: ClassVar[int] = 1

    session: str
    manifest: str
    manifest_fingerprint: str
    plan_fingerprint: str
    split: str
    order: Order
    first_index: int
    end_index: int
    num_ranks: int
    batch_bytes: int
