"""What a trainer may ask of a prefetcher: the two may be containers that do not trust each other."""

from __future__ import annotations

from pathlib import PurePosixPath

from penstock.errors import RecordError
from penstock.plan import window_extents
from penstock.records import Segment, StreamSpec
from penstock.window.folder import MANIFEST

__all__ = ["check_spec"]

MOST_RANKS = 4096
MOST_FILES = 1 << 20
MOST_INDEX = 1 << 60
NAME_CHARACTERS = 64
"""Of a session's name, as the control file has room for."""


def check_spec(spec: StreamSpec, *, origin: str) -> None:
    """Refuse numbers and paths that no trainer of this release asks for, before anything is done with them.

    Raises:
        RecordError: one of them.
    """
    for name, value in _wrong(spec).items():
        raise RecordError(
            f"{origin} asks for a stream with {name} {value}", fix="use the same release on both sides", about=origin
        )


def _wrong(spec: StreamSpec) -> dict[str, object]:
    """Return the fields that cannot be, and what they are."""
    order = spec.order
    manifest = PurePosixPath(spec.manifest)
    segments = [segment for segment in order.segments if not _can_be(segment)]
    is_good = {
        "num_ranks": 0 < spec.num_ranks <= MOST_RANKS,
        "num_files": 0 <= spec.num_files <= MOST_FILES,
        "batch_extents": 0 < spec.batch_extents <= MOST_INDEX,
        "first_index": 0 <= spec.first_index <= MOST_INDEX,
        "end_index": spec.first_index <= spec.end_index <= MOST_INDEX,
        "session": 0 < len(spec.session.encode()) <= NAME_CHARACTERS and spec.session.isprintable(),
        "manifest": "\0" not in spec.manifest and (manifest.is_absolute() or spec.manifest == MANIFEST),
    }
    found: dict[str, object] = {name: repr(getattr(spec, name))[:80] for name, good in is_good.items() if not good}
    if segments or not order.segments:
        found["order"] = repr(order.segments)[:80]
    elif not 0 <= order.share.first_rank < order.share.first_rank + order.share.num_ranks <= order.share.world_size:
        found["share"] = repr(order.share)[:80]
    elif not window_extents(order):
        found["extents"] = 0
    return found


def _can_be(segment: Segment) -> bool:
    numbers = segment.first_row, segment.num_extents, segment.num_samples
    return all(0 <= number <= MOST_INDEX for number in numbers) and segment.num_extents <= segment.num_samples
