"""What later steps need, looked at before any of them begins: all that does not fit is told at once.

It follows from options, manifest and places alone, in no time, without torch, and without a GPU. ``penstock run`` looks
before and after it lists, the probe (``penstock prefetch``) does for a pipeline, and each step for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, PenstockError, WindowTooSmall
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.manifest.listed import Listed
from penstock.plan import check_lanes, most_mixed
from penstock.recipes.registry import check_model, check_targets
from penstock.units import in_whole
from penstock.window import is_served, plan_geometry, read_gauges

__all__ = [
    "Intended",
    "Room",
    "check_fit",
    "fitting_batch",
    "misfits",
    "refuse",
    "room_of",
]

_BLOCK_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """A window that steps are to read through.

    Attributes:
        window_bytes: its bound.
        reserved_bytes: what lies in it beside samples: the manifest, where a sidecar is handed it.
    """

    window_bytes: int
    reserved_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Intended:
    """What steps are to do with a manifest; None is not looked at.

    Attributes:
        room: that each of them has.
        batch_size: of the training, validation included.
        workers: that decode, in each step.
        model: name of the network.
        evaluated: split that is scored.
    """

    room: Room
    batch_size: int | None = None
    workers: int = 0
    model: str | None = None
    evaluated: str | None = None


def room_of(folder: Path | None, window_bytes: int, prefetch: str, manifest: Path) -> Room:
    """Return the room of a step's window; what a sidecar has already made says its bound itself."""
    served = folder is not None and prefetch != "process" and is_served(folder)
    if not served and prefetch != "sidecar":
        return Room(window_bytes=window_bytes)
    gauges = read_gauges(folder) if folder is not None and served else None
    bound = gauges.meters.window_bytes if gauges is not None else 0
    return Room(
        window_bytes=bound or window_bytes, reserved_bytes=-(-manifest.stat().st_size // _BLOCK_BYTES) * _BLOCK_BYTES
    )


def check_fit(listed: Listed, wanted: Intended) -> None:
    """Refuse what cannot come to its end.

    Raises:
        PenstockError: of the one class that all of what does not fit has, or else a ``ConfigError``; it names it all.
    """
    refuse(list(misfits(listed, wanted)))


def misfits(listed: Listed, wanted: Intended) -> Iterator[PenstockError]:
    """Return all that does not fit."""
    info, plan = listed.info, listed.plan
    checks: list[Callable[[], object]] = [lambda: check_lanes(plan.num_lanes, 1)]
    if wanted.batch_size is not None:
        checks += [lambda: _check_split(info, "train", "train on"), lambda: check_targets(info)]
        mixes = {"train": plan.mix, "valid": 1}
        checks.append(lambda: _check_window(listed, wanted, wanted.batch_size or 1, mixes))
        checks.append(lambda: _check_members(listed, wanted.room))
    if wanted.evaluated is not None:
        split = wanted.evaluated
        checks.append(lambda: _check_split(info, split, "evaluate on"))
        if wanted.batch_size is None:
            checks.append(lambda: _check_window(listed, wanted, 1, {split: 1}))
    if wanted.model is not None:
        model = wanted.model
        checks.append(lambda: check_model(model, task=info.task, shape=info.shape))
    for check in checks:
        try:
            check()
        except PenstockError as error:
            yield error


def refuse(found: Sequence[PenstockError]) -> None:
    """Raise one error of all that was found; do nothing where nothing was."""
    if len(found) == 1:
        raise found[0]
    if found:
        _refuse_all(found)


def _refuse_all(found: Sequence[PenstockError]) -> NoReturn:
    classes = {type(error) for error in found}
    kind = classes.pop() if len(classes) == 1 else ConfigError
    told = "; ".join(f"({number}) {error.what}: {error.fix}" for number, error in enumerate(found, start=1))
    raise kind(f"{len(found)} things do not fit: {told}", fix="mend them all, then run it again")


def fitting_batch(listed: Listed, wanted: Intended, *, split: str, at_most: int) -> int:
    """Return the largest batch of a split, in its order, up to a number, that a window can hold; workers need it whole.

    Raises:
        WindowTooSmall: not even one sample fits.
    """
    info = listed.info
    if not wanted.workers:
        _check_batch(info, wanted.room, 1)
        return at_most
    counts = _counts(listed, [split])
    least, most = 0, at_most
    while least < most:
        size = (least + most + 1) // 2
        try:
            _check_batch(info, wanted.room, _most_extents(counts, {split: 1}, size))
        except WindowTooSmall:
            if size == 1:
                raise
            most = size - 1
        else:
            least = size
    return least


def _check_window(listed: Listed, wanted: Intended, batch_size: int, mixes: Mapping[str, int]) -> None:
    """Check that the window can hold what must be in it at once: a batch for workers, else one extent.

    Args:
        mixes: extents that are opened together, of each split that is read.
    """
    counts = _counts(listed, list(mixes)) if wanted.workers else {}
    _check_batch(listed.info, wanted.room, _most_extents(counts, mixes, batch_size) if wanted.workers else 1)


def _check_members(listed: Listed, room: Room) -> None:
    """Check that the windows of members of a mix, which share out the bound, can each hold an extent."""
    mixing = listed.plan.mixing
    if mixing is None:
        return
    from penstock.dataset.mix_record import shares_of  # here: it takes torch, and few datasets are mixes

    parts = shares_of(mixing)
    for number, (info, part) in enumerate(zip(listed.info.members, parts, strict=True)):
        try:
            _check_batch(info, Room(window_bytes=max(1, int(room.window_bytes * part))), 1)
        except WindowTooSmall as error:
            error.what = f"member {number} (from 0) of the mix, which has {part:.0%} of the window: {error.what}"
            error.fix = in_whole(error.fix, part)
            error.args = (error.what,)
            raise


def _counts(listed: Listed, splits: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return how many samples the extents of each split have; nothing where each has one."""
    if not listed.info.holds_many:
        return {}
    with ManifestReader(listed.manifest) as reader:
        parts = [part for part in reader.info.splits if part.name in splits and part.num_samples]
        passes = 1 if listed.plan.repeat is None else listed.plan.repeat.passes
        return {part.name: np.repeat(reader.counts(part), passes if part.name == "train" else 1) for part in parts}


def _most_extents(counts: Mapping[str, NDArray[np.int64]], mixes: Mapping[str, int], batch_size: int) -> int:
    """Return the most extents that a batch lies in."""
    most = (most_mixed(each, mix=mixes[name], batch_samples=batch_size) for name, each in counts.items())
    return max(most, default=batch_size)


def _check_batch(info: ManifestInfo, room: Room, batch_extents: int) -> None:
    plan_geometry(
        window_bytes=room.window_bytes,
        max_extent_bytes=info.max_extent_bytes,
        max_description_bytes=info.max_description_bytes,
        batch_extents=batch_extents,
        holds_many=info.holds_many,
        reserved_bytes=room.reserved_bytes,
    )


def _check_split(info: ManifestInfo, name: str, use: str) -> None:
    if any(part.name == name and part.num_samples for part in info.splits):
        return
    raise ConfigError(
        f"split {name!r} has no samples to {use}",
        fix="list again with another --split, another --seed or more subjects",
    )
