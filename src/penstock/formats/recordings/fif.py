"""FIF raw recordings: their channels, buffers of numbers that are cut by time, gaps and annotations."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from penstock.formats.recordings.fif_tags import NUMBERS, FifHeader, wrong_fif
from penstock.formats.recordings.model import Annotation, Recording, Segment, gap_note
from penstock.formats.recordings.numbers import Piece, Rows
from penstock.sources import ObjectInfo

__all__ = ["fif_recording"]

_KINDS: Final = {
    1: "MEG", 2: "EEG", 3: "STIM", 102: "BIO", 202: "EOG", 301: "REF_MEG", 302: "EMG", 402: "ECG", 502: "MISC",
    602: "RESP", 802: "SEEG", 803: "DBS", 900: "SYST", 902: "ECOG", 920: "EXCI", 1100: "FNIRS", 1200: "TEMP",
    1300: "GSR", 1400: "EYEGAZE",
}  # fmt: skip
_TEXT: Final = ("STIM", "SYST")
_UNIT_VOLT: Final = 107


def fif_recording(found: FifHeader, info: ObjectInfo) -> Recording:
    """Return the recording of what was found in a file.

    Raises:
        DataError: it is no whole recording, or of a kind that is not read.
    """
    name = info.key
    number = _number_of(found, name)
    pieces, segments = _laid(found, number, name)
    labels = found.long_names if len(found.long_names) == len(found.channels) else [each[0] for each in found.channels]
    short = {each[0]: label for each, label in zip(found.channels, labels, strict=True)}
    kinds = tuple(_KINDS.get(kind, f"KIND {kind}") for _, kind, _, _ in found.channels)
    num_frames = sum(piece.num_frames for piece in pieces)
    each = len(labels)
    return Recording(
        name=name,
        form="FIF",
        labels=tuple(labels),
        units=tuple("V" if unit == _UNIT_VOLT else "" for _, _, unit, _ in found.channels),
        kinds=kinds,
        text=frozenset(i for i, kind in enumerate(kinds) if kind in _TEXT),
        rates_hz=(found.rate_hz,) * each,
        samples_per_frame=(1,) * each,
        num_frames=num_frames,
        segments=segments,
        numbers=Rows(
            info=info,
            number=number,
            scales=tuple(scale for _, _, _, scale in found.channels),
            num_frames=num_frames,
            pieces=pieces,
        ),
        bad=tuple(short.get(label, label) for label in found.bad),
        annotations=_annotations(found, name),
        note=gap_note(segments),
    )


def _number_of(found: FifHeader, name: str) -> str:
    """Return the type of the numbers, as NumPy writes it, of what is a whole recording."""
    if found.next_file:
        raise wrong_fif(
            name, f"it goes on in {found.next_file[:80]!r}", fix="save it as one file (split_size), or leave it out"
        )
    if not found.buffers:
        raise wrong_fif(name, "it holds no raw recording", fix="leave it out, or save raw data")
    if not (math.isfinite(found.rate_hz) and found.rate_hz > 0):
        raise wrong_fif(name, f"its rate is {found.rate_hz:g}")
    if not found.channels or found.num_channels != len(found.channels):
        raise wrong_fif(name, f"it states {found.num_channels} channels and tells of {len(found.channels)}")
    forms = {form for _, form, _, _ in found.buffers}
    if len(forms) > 1 or not forms <= NUMBERS.keys():
        raise wrong_fif(
            name, f"its numbers are of type {', '.join(map(str, sorted(forms)))}, not one of 2, 3, 4, 5, 16"
        )
    return NUMBERS[forms.pop()]


def _laid(found: FifHeader, number: str, name: str) -> tuple[tuple[Piece, ...], tuple[Segment, ...]]:
    """Return where samples lie, and which follow on each other in time."""
    frame_bytes = len(found.channels) * np.dtype(number).itemsize
    pieces: list[Piece] = []
    segments: list[Segment] = []
    stored = passed = 0
    for skipped, _, length, place in found.buffers:
        count, rest = divmod(length, frame_bytes)
        if rest or not count:
            raise wrong_fif(name, f"a buffer has {length} bytes, which are no whole samples of {frame_bytes}")
        passed += skipped if pieces else 0
        if skipped or not segments:
            start = (stored + passed) / found.rate_hz
            segments.append(Segment(first_frame=stored, num_frames=count, start_seconds=start))
        else:
            last = segments[-1]
            segments[-1] = Segment(
                first_frame=last.first_frame, num_frames=last.num_frames + count, start_seconds=last.start_seconds
            )
        pieces.append(Piece(first_frame=stored, num_frames=count, offset=place))
        stored += count
    return tuple(pieces), tuple(segments)


def _annotations(found: FifHeader, name: str) -> tuple[Annotation, ...]:
    if not len(found.onsets) == len(found.ends) == len(found.texts):
        raise wrong_fif(name, f"it has {len(found.onsets)} onsets, {len(found.ends)} ends and {len(found.texts)} texts")
    # Onsets count from the moment of the measurement, which is first_sample before the first one that was kept.
    shift = found.first_sample / found.rate_hz
    if found.annotated is None and found.measured is not None:
        shift = 0.0
    elif found.annotated is not None and found.measured is not None:
        shift -= found.annotated - found.measured
    return tuple(
        Annotation(onset_seconds=onset - shift, duration_seconds=max(0.0, end - onset), text=text)
        for onset, end, text in zip(found.onsets, found.ends, found.texts, strict=True)
        if math.isfinite(onset) and math.isfinite(end)
    )
