"""Recordings that samples can be made of together: the same channels, in any order, at one rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Hashable, Sequence

from penstock.errors import HeaderMismatch
from penstock.manifest import SkippedObject
from penstock.tasks.eeg.bids import Recording
from penstock.tasks.eeg.reading import OpenRecording, Reader, take_good
from penstock.texts import counted

__all__ = ["open_alike"]

NAMES_SHOWN = 4


async def open_alike(
    reader: Reader,
    recordings: Sequence[Recording],
    *,
    with_events: bool,
    skip_bad: bool,
    skipped: list[SkippedObject],
    num_channels: int = 0,
) -> AsyncGenerator[OpenRecording, None]:
    """Read the header, and the events where they are wanted, of each recording, in order.

    The channels and the rate are those of the first recording, and any other ones are an error; or, where bad
    recordings are left out, those that most have, for which all headers are read before the first is given. Channels
    come in one order, whatever order a recording has them in.

    Args:
        skip_bad: name a bad recording in ``skipped`` and go on, where False raises.
        skipped: what is left out of recordings that are used is named there too, in the end.
        num_channels: leave out, and name, recordings of another number; 0 leaves out none.

    Raises:
        DataError: a recording cannot be used.
        SourceError: one could not be read.
    """
    left_out = _LeftOut()
    others = _OfChannels(num_channels)

    async def finish(opened: OpenRecording) -> OpenRecording:
        return await reader.with_events(opened) if with_events else opened

    async def whole(recording: Recording) -> OpenRecording:
        return await finish(await reader.open(recording))

    norm: OpenRecording | None = None
    if skip_bad:
        opening = take_good(recordings, reader.open, key_of=_key_of_recording, skipped=skipped)
        usable = [opened async for opened in opening if others.takes(opened)]
        alike = _majority(usable, skipped)
        found = take_good(alike, finish, key_of=_key, skipped=skipped)
    else:
        found = take_good(recordings, whole, key_of=_key_of_recording, skipped=None)
    async for opened in found:
        if not skip_bad and not others.takes(opened):
            continue
        norm = norm or opened
        same = opened if skip_bad else _as_in(norm, opened)
        left_out.add(same)
        yield same
    skipped.extend([*left_out.told(), *others.told()])


def _key(opened: OpenRecording) -> str:
    return opened.recording.info.key


def _key_of_recording(recording: Recording) -> str:
    return recording.info.key


def _kind(opened: OpenRecording) -> Hashable:
    """Return what must be the same of recordings."""
    names = opened.montage.names
    return opened.rate_hz, names, opened.montage.units_of(names)


def _majority(usable: Sequence[OpenRecording], skipped: list[SkippedObject]) -> list[OpenRecording]:
    """Return the recordings of the kind that most are of, and name the others.

    Where two kinds are equally common, it is the one with more channels, then the one that comes first.
    """
    if not usable:
        return []
    counts = Counter(_kind(opened) for opened in usable)
    norm = max(usable, key=lambda opened: (counts[_kind(opened)], len(opened.montage.labels)))
    most = counts[_kind(norm)]
    ties = [kind for kind, count in counts.items() if count == most]
    why = f"as {most} of {len(usable)} recordings" + (", of two equally common kinds" if len(ties) > 1 else "")
    alike = []
    for opened in usable:
        try:
            alike.append(_as_in(norm, opened, why=why))
        except HeaderMismatch as error:
            skipped.append(SkippedObject(object=_key(opened), reason=error.what))
    return alike


def _as_in(norm: OpenRecording, opened: OpenRecording, *, why: str = "") -> OpenRecording:
    """Return a recording with its channels in the order of another one.

    Raises:
        HeaderMismatch: its samples would not mean the same.
    """
    here, there = _key(opened), _key(norm) + (f" ({why})" if why else "")
    mine, other = opened.montage, norm.montage
    if opened.rate_hz != norm.rate_hz:
        difference = f"{here} has {opened.rate_hz:g} samples per second, {there} has {norm.rate_hz:g}"
    elif len(mine.labels) != len(other.labels):
        difference = f"{here} has {len(mine.labels)} channels, {there} has {len(other.labels)}"
    elif mine.names != other.names:
        difference = f"{here} has {_only(mine.names, other.names)} where {there} has {_only(other.names, mine.names)}"
    elif mine.units_of(mine.names) != other.units_of(mine.names):
        pairs = zip(mine.names, mine.units_of(mine.names), other.units_of(mine.names), strict=True)
        name, unit, wanted = next(pair for pair in pairs if pair[1] != pair[2])
        difference = f"{here} has {name} in {unit!r}, {there} has it in {wanted!r}"
    elif mine.labels == other.labels:
        return opened
    else:
        return opened.in_order(other.labels)
    raise HeaderMismatch(
        difference, fix="take recordings that agree, or leave the others out with --on-bad-object skip", about=here
    )


def _only(names: Sequence[str], others: Sequence[str]) -> str:
    """Name the channels that others have not."""
    left = [name for name in names if name not in others] or list(names)
    more = f" and {len(left) - NAMES_SHOWN} more" if len(left) > NAMES_SHOWN else ""
    return f"the channel(s) {', '.join(left[:NAMES_SHOWN])}{more}"


class _LeftOut:
    """Counts what is left out of recordings that are used: the same of many is told once."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, opened: OpenRecording) -> None:
        bad = opened.montage.bad
        named = f"{len(bad)} channels are marked bad, and are zeros: {', '.join(bad)}" if bad else ""
        distorted = opened.signals.note if opened.signals is not None else ""
        for reason in (opened.file.note, opened.montage.left_out, named, distorted):
            if reason:
                self._found.setdefault(reason, []).append(_key(opened))

    def told(self) -> list[SkippedObject]:
        return [
            SkippedObject(
                object=keys[0] if len(keys) == 1 else f"{len(keys)} recordings, like {keys[0]}", reason=reason
            )
            for reason, keys in self._found.items()
        ]


class _OfChannels:
    """Takes recordings of a number of channels; 0 takes all."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._others: list[tuple[str, int]] = []
        self._num_taken = 0

    def takes(self, opened: OpenRecording) -> bool:
        """Tell whether a recording is one."""
        found = opened.num_eeg
        is_one = self._number in (0, found)
        self._num_taken += is_one
        if not is_one:
            self._others.append((_key(opened), found))
        return is_one

    def told(self) -> list[SkippedObject]:
        """Name the others.

        Raises:
            HeaderMismatch: there are others alone.
        """
        if self._others and not self._num_taken:
            key, found = self._others[0]
            raise HeaderMismatch(
                f"none of {counted(len(self._others), 'recording')} has {self._number} channels: {key} has {found}",
                fix="give another number with --option num-channels=, or 0",
                about=key,
            )
        return [
            SkippedObject(object=key, reason=f"has {found} channels, not {self._number}") for key, found in self._others
        ]
