"""What packers hold, as a checkpoint keeps it: plain text and numbers, which JSON and torch take."""

from __future__ import annotations

import base64
import binascii
import operator
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from penstock.errors import CheckpointMismatch
from penstock.tokens.documents import Document
from penstock.tokens.packing import Lane, PackCounts, Packing, Pieces

__all__ = ["lane_of", "lane_state", "pieces_of", "pieces_state"]

_FIX = "give what state_dict() gave, as it was"


def pieces_state(pieces: Sequence[Document]) -> dict[str, Any]:
    """Return documents as numbers and text."""
    return {
        "sizes": [len(each.ids) for each in pieces],
        "ids": _text([each.ids for each in pieces]),
        "labels": _text([each.labels for each in pieces]),
    }


def pieces_of(state: Any, packing: Packing, *, most: int | None = None) -> Pieces:
    """Return documents of what ``pieces_state`` gave.

    Args:
        most: documents that there may be.

    Raises:
        CheckpointMismatch: it is damaged.
    """
    try:
        sizes = [operator.index(size) for size in state["sizes"]]
        if any(not 0 < size <= packing.length for size in sizes) or (most is not None and len(sizes) > most):
            raise CheckpointMismatch("what packing held does not fit in", fix=_FIX)
        ids, labels = (_numbers(state[name], sum(sizes)) for name in ("ids", "labels"))
    except (KeyError, TypeError, ValueError, zlib.error, binascii.Error) as error:
        raise CheckpointMismatch("what packing held was saved otherwise, or is damaged", fix=_FIX) from error
    ends = np.cumsum(sizes)[:-1]
    parts = zip(np.split(ids, ends), np.split(labels, ends), strict=True)
    return [Document(*each) for each in parts] if sizes else []


def lane_state(lane: Lane) -> dict[str, Any]:
    """Return where a lane is."""
    return {"passed": lane.passed, "counts": asdict(lane.counts), "held": pieces_state(lane.packer.held())}


def lane_of(state: Any, packing: Packing) -> Lane:
    """Return a lane that goes on where another was.

    Raises:
        CheckpointMismatch: what was saved is damaged.
    """
    lane = Lane(packing)
    if not isinstance(state, Mapping) or not isinstance(state.get("counts"), Mapping):
        raise CheckpointMismatch("a lane of packing was saved otherwise, or is damaged", fix=_FIX)
    passed = state.get("passed")
    counts = {each.name: state["counts"].get(each.name) for each in fields(PackCounts)}
    if not all(isinstance(each, int) and 0 <= each < 2**62 for each in (passed, *counts.values())):
        raise CheckpointMismatch("a lane of packing has counts that are none", fix=_FIX)
    assert isinstance(passed, int)
    lane.passed, lane.counts = passed, PackCounts(**counts)
    held = pieces_of(state.get("held"), packing, most=packing.buffer if packing.method == "best_fit" else None)
    if packing.method == "concat" and sum(len(each.ids) for each in held) >= packing.length:
        raise CheckpointMismatch("what packing held is more than a sequence", fix=_FIX)
    if packing.method == "single" and held:
        raise CheckpointMismatch("packing held what it does not hold", fix=_FIX)
    lane.packer.hold(held)
    return lane


def _text(arrays: Sequence[Any]) -> str:
    whole = np.concatenate(arrays).astype("<i4") if arrays else np.empty(0, "<i4")
    return base64.b64encode(zlib.compress(whole.tobytes(), 1)).decode()


def _numbers(text: str, size: int) -> Any:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), size * 4 + 1)
    if len(data) != size * 4:
        raise ValueError(f"{len(data)} bytes of {size} tokens")
    return np.frombuffer(data, "<i4").astype(np.int32)
