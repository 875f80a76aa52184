"""Recordings (EDF, BDF, BrainVision, EEGLAB, FIF): their headers, byte spans and samples, and the format of them."""

from __future__ import annotations

from penstock.formats.recordings.decoding import decode_runs
from penstock.formats.recordings.format import Recordings
from penstock.formats.recordings.model import Recording, Stretch
from penstock.formats.recordings.opening import COMPANION_ENDINGS, RECORDING_ENDINGS, ending_of, open_recording

__all__ = [
    "COMPANION_ENDINGS",
    "RECORDING_ENDINGS",
    "Recording",
    "Recordings",
    "Stretch",
    "decode_runs",
    "ending_of",
    "open_recording",
]
