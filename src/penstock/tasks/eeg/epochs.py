"""Epochs: the bytes of a run of samples of a recording, and the array they become.

A sample's ``decode`` is this module's JSON, the same for all samples of a recording; its ``args`` is the one
number of decoded samples before the epoch. Decoding is deterministic: the same bytes give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.bdf import RecordLayout
from penstock.formats.recordings import decode_runs
from penstock.records.codec import Part
from penstock.tasks.eeg.signals import SignalDecode, processed

__all__ = [
    "NORMALIZATIONS",
    "EpochDecode",
    "Normalize",
    "OpenEpoch",
    "normalized",
    "open_epochs",
    "part_of_epoch",
    "stored_epoch",
]

Normalize = Literal["zscore", "microvolts", "none"]
NORMALIZATIONS: Final[tuple[Normalize, ...]] = ("zscore", "microvolts", "none")
# A channel whose spread is below this part of its size is flat: what is left is rounding.
FLAT: Final = 1e-12


class EpochDecode(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a recording's epochs are decoded.

    Attributes:
        layout: of the records.
        num_times: samples of the epoch.
        crop_times: samples of the part that is taken of it, at a random place in training and from the middle
            in evaluation; the whole where it equals ``num_times``.
        normalize: ``zscore`` gives each channel mean 0 and standard deviation 1 over the part taken (a flat
            channel becomes 0), ``microvolts`` scales volts by 1e6, ``none`` leaves volts.
        signal: what is done to the signals before; None leaves them as they are.
    """

    layout: RecordLayout
    num_times: int
    crop_times: int
    normalize: Normalize
    signal: SignalDecode | None = None

    def encode(self) -> str:
        """Return it as compact JSON."""
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True, slots=True)
class OpenEpoch:
    """A decoded epoch, in volts, shape (channels, times), and what is made of it.

    Attributes:
        crop: first sample of the part that is taken of it where chance does not; None is the middle.
    """

    volts: NDArray[np.float64]
    how: EpochDecode
    crop: int | None = None


def open_epochs(data: Any, *, decode: str, args: Sequence[Sequence[int]], name: str) -> list[OpenEpoch]:
    """Decode epochs of an extent.

    Args:
        data: the extent's bytes.
        decode: JSON of an ``EpochDecode``.
        args: of each epoch, the number of samples before it, and where its crop lies if not in the middle; where
            signals are worked on there are five: -1 is the middle, and three of ``SignalPart`` follow.
        name: of the extent, for messages.

    Raises:
        DataError: ``decode`` or ``args`` are not of this module, or the bytes do not fit them.
    """
    how = _read(decode)
    wrong = next((each for each in args if not _fits(each, how)), None)
    if wrong is not None:
        raise DataError(f"an epoch takes other arguments than {list(wrong)}", fix="run `penstock list` again")
    num_read = how.num_times if how.signal is None else how.signal.num_read
    runs = decode_runs(data, how.layout, [each[0] for each in args], num_read, name=name)
    if how.signal is not None:
        worked_on = zip(runs, args, strict=True)
        runs = [processed(run, how.signal, (each[2], each[3], each[4]), how.num_times) for run, each in worked_on]
    crops = [each[1] if len(each) > 1 and each[1] >= 0 else None for each in args]
    return [OpenEpoch(run, how, crop) for run, crop in zip(runs, crops, strict=True)]


def _fits(args: Sequence[int], how: EpochDecode) -> bool:
    """Tell whether a sample's arguments can be those of an epoch."""
    spare = how.num_times - how.crop_times
    if how.signal is None:
        return len(args) in (1, 2) and 0 <= [*args, 0][1] <= spare
    if len(args) != 5 or not -1 <= args[1] <= spare:
        return False
    first, at, length = args[2:]
    return first >= 0 and at >= 0 and at + how.signal.num_read <= length


def stored_epoch(volts: NDArray[np.float64], *, decode: str, crop: int | None) -> OpenEpoch:
    """Return an epoch that was decoded before, and stored.

    Raises:
        DataError: ``decode`` is not of this module.
    """
    return OpenEpoch(volts, _read(decode), crop)


def part_of_epoch(epoch: OpenEpoch, rng: np.random.Generator | None) -> NDArray[np.float32]:
    """Return the part of an epoch that is learnt from, normalised, shape (channels, crop times).

    Args:
        rng: places the part in training; None takes where it lies then, which is the middle unless told.
    """
    spare = epoch.how.num_times - epoch.how.crop_times
    fixed = spare // 2 if epoch.crop is None else epoch.crop
    first = int(rng.integers(spare + 1)) if rng is not None and spare else fixed
    return normalized(epoch.volts[:, first : first + epoch.how.crop_times], epoch.how.normalize)


def normalized(epoch: NDArray[np.float64], normalize: Normalize) -> NDArray[np.float32]:
    """Scale volts, shape (channels, times), as ``EpochDecode.normalize`` says."""
    if normalize == "zscore":
        mean = epoch.mean(axis=1, keepdims=True)
        spread = epoch.std(axis=1, keepdims=True)
        flat = spread <= FLAT * np.abs(epoch).max(axis=1, keepdims=True)
        scaled = (epoch - mean) / np.where(flat, np.inf, spread)
        return np.ascontiguousarray(scaled, dtype=np.float32)
    scale = 1e6 if normalize == "microvolts" else 1.0
    return np.ascontiguousarray(epoch * scale, dtype=np.float32)


@lru_cache(maxsize=1024)
def _read(decode: str) -> EpochDecode:
    try:
        how = msgspec.json.decode(decode, type=EpochDecode)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DataError(
            f"a sample's decode field is not one of an EEG epoch ({error})",
            fix="run `penstock list` again with this Penstock",
        ) from error
    if not 0 < how.crop_times <= how.num_times:
        raise DataError(
            f"a crop of {how.crop_times} samples does not fit an epoch of {how.num_times}",
            fix="run `penstock list` again with this Penstock",
        )
    return how
