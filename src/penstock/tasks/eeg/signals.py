"""What is done to the signals of recordings before samples are cut of them: a reference, filters, another rate.

By default a sample is cut out of the signal as it would be of the whole recording: what its filters need beside it is
read with it, up to the ends of the stretch that was recorded without a gap. A sample can also be filtered alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.recordings import Stretch
from penstock.records.codec import Part
from penstock.tasks.eeg.channels import Montage
from penstock.tasks.eeg.filters import Run, band_taps, filtered, notch_taps, reach_of_resampling, resampled
from penstock.tasks.eeg.picking import Picks, picked

__all__ = ["Filters", "SignalDecode", "SignalMaking", "SignalPart", "Signals", "processed"]

_MOST_RATIO: Final = 5_000


class SignalDecode(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the signals of a sample are made by.

    Attributes:
        rate_hz: samples per second that were recorded.
        num_read: of those that the sample is made of.
        num_kept: channels, the first ones, that it has.
        low: Hz that a filter lets pass from on.
        high: Hz up to which.
        notches: Hz that are stopped.
        up: samples for each ``down`` that were recorded.
        alone: nothing beside the sample is taken into account.
        reference: places of the channels whose mean is taken off all.
        silent: places of the channels that stay zeros.
    """

    rate_hz: float
    num_read: int
    num_kept: int
    low: float | None = None
    high: float | None = None
    notches: tuple[float, ...] = ()
    up: int = 1
    down: int = 1
    alone: bool = False
    reference: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()

    def taps(self) -> list[NDArray[np.float64]]:
        """Return the taps of each filter, in the order in which they are applied."""
        band = [band_taps(self.rate_hz, self.low, self.high)] if (self.low, self.high) != (None, None) else []
        return [*band, *([notch_taps(self.rate_hz, self.notches)] if self.notches else [])]


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalPart:
    """Of a stretch, what a sample is made of; numbers of samples are those of the stretch.

    Attributes:
        first_read: first sample of the recording that is read.
        num_read: samples that are.
        args: first sample that comes out, first one that is read, and how many the stretch has.
    """

    first_read: int
    num_read: int
    args: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signals:
    """What is done to one recording's signals.

    Attributes:
        recorded: its stretches as they were recorded.
        stretches: the same as they come out.
        how: without what is a sample's own.
    """

    recorded: tuple[Stretch, ...]
    stretches: tuple[Stretch, ...]
    how: SignalDecode
    margins: tuple[int, ...]

    @property
    def note(self) -> str:
        """What is told of it, empty where there is nothing to tell."""
        most = 2 * max(self.margins, default=0) + 1
        short = sum(stretch.num_samples < most for stretch in self.recorded)
        return f"a filter has {most} taps, more than samples are in {short} stretch(es): distorted" if short else ""

    def part(self, first_sample: int, num_samples: int) -> SignalPart:
        """Return what a run of samples that come out is made of."""
        number = bisect_right([each.first_sample for each in self.stretches], first_sample) - 1
        recorded = self.recorded[number]
        first = first_sample - self.stretches[number].first_sample
        low, high = self._own(first, first + num_samples)
        margin = 0 if self.how.alone else sum(self.margins)
        count = min(self._width(num_samples) + 2 * margin, recorded.num_samples)
        at = max(0, min(low - margin, recorded.num_samples - count))
        assert at <= max(0, low - margin)
        assert min(high + margin, recorded.num_samples) <= at + count
        return SignalPart(
            first_read=recorded.first_sample + at,
            num_read=count,
            args=(first, at, recorded.num_samples),
        )

    def _own(self, first: int, last: int) -> tuple[int, int]:
        up, down = self.how.up, self.how.down
        if up == down:
            return first, last
        if self.how.alone:
            return first * down // up, -(-(last - 1) * down // up) + 1
        return reach_of_resampling(up, down, first, last)

    def _width(self, num_samples: int) -> int:
        """Return the most samples that a run of so many is made of, filters apart."""
        low, high = self._own(0, num_samples)
        return high - low + (self.how.up != self.how.down)

    def placed(self, montage: Montage, order: Sequence[str] | None = None) -> Signals:
        """Return it for channels as ``montage.layout`` decodes them in an order."""
        how = msgspec.structs.replace(
            self.how,
            num_kept=len(montage.labels),
            reference=montage.reference_places(order),
            silent=montage.bad_places(order),
        )
        return replace(self, how=how)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """What is to be done to signals; frequencies are in Hz.

    Attributes:
        low, high: let pass from here to there; None is no bound.
        rate_hz: of what comes out; None is that of the recording.
        alone: nothing beside a sample is taken into account.
    """

    low: float | None = None
    high: float | None = None
    notches: tuple[float, ...] = ()
    rate_hz: float | None = None
    alone: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether signals are left as they are."""
        return (self.low, self.high, self.notches, self.rate_hz) == (None, None, (), None)

    def of(self, stretches: tuple[Stretch, ...], *, name: str) -> Signals:
        """Return what is done to a recording's signals.

        Args:
            name: of the recording, for messages.

        Raises:
            DataError: its rate does not allow of it.
        """
        rate_hz = stretches[0].rate_hz
        up, down = self._ratio(rate_hz, name)
        how = SignalDecode(
            rate_hz=rate_hz, num_read=0, num_kept=0, low=self.low, high=self.high, notches=self.notches, up=up,
            down=down, alone=self.alone,
        )  # fmt: skip
        try:
            margins = tuple(len(taps) // 2 for taps in how.taps())
        except ValueError as error:
            raise _unfit(f"{name} has {rate_hz:g} samples a second: {error}", name) from error
        return Signals(recorded=stretches, stretches=_at_rate(stretches, up, down), how=how, margins=margins)

    def _ratio(self, rate_hz: float, name: str) -> tuple[int, int]:
        if self.rate_hz is None:
            return 1, 1
        ratio = Fraction(self.rate_hz).limit_denominator(1000) / Fraction(rate_hz).limit_denominator(1000)
        if max(ratio.numerator, ratio.denominator) > _MOST_RATIO:
            raise _unfit(f"{name} has {rate_hz:g} samples a second, and {self.rate_hz:g} are {ratio} of them", name)
        return ratio.numerator, ratio.denominator


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalMaking:
    """What is taken of recordings' channels, and what is done to their signals."""

    picks: Picks = field(default_factory=Picks)
    filters: Filters = field(default_factory=Filters)

    def montage(self, montage: Montage, *, name: str) -> Montage:
        """Return the channels that are taken of those that a recording has.

        Raises:
            DataError: it has not what is asked for.
        """
        return montage if self.picks == Picks() else picked(montage, self.picks, name=name)

    def signals(self, montage: Montage, stretches: tuple[Stretch, ...], *, name: str) -> Signals | None:
        """Return what is done to a recording's signals; None where they are left as they are.

        Raises:
            DataError: its rate does not allow of it.
        """
        if self.filters.is_nothing and not montage.reference:
            return None
        return self.filters.of(stretches, name=name).placed(montage)


def _unfit(what: str, name: str) -> DataError:
    fix = "give other frequencies, or leave such recordings out with --on-bad-object skip"
    return DataError(what, fix=fix, about=name)


def _at_rate(stretches: Sequence[Stretch], up: int, down: int) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    for stretch in stretches:
        first = found[-1].first_sample + found[-1].num_samples if found else 0
        found.append(
            Stretch(
                first_sample=stretch.first_sample if up == down else first,
                num_samples=-(-stretch.num_samples * up // down),
                start_seconds=stretch.start_seconds,
                rate_hz=stretch.rate_hz * up / down,
            )
        )
    return tuple(found)


def processed(
    volts: NDArray[np.float64], how: SignalDecode, args: tuple[int, int, int], num_times: int
) -> NDArray[np.float64]:
    """Return the samples, (kept channels, ``num_times``), that come of those that were read, (channels, ``num_read``).

    Args:
        args: see ``SignalPart``.
    """
    first, at, length = args
    low, high = (at, at + how.num_read) if how.alone else (0, length)
    if how.reference:
        volts = volts - volts[list(how.reference)].mean(axis=0)
    run = Run(volts[: how.num_kept], at, low, high)
    begin, end = first, first + num_times
    if how.up != how.down:
        begin, end = (low, high) if how.alone else reach_of_resampling(how.up, how.down, begin, end)
    taps = how.taps()
    for place, each in enumerate(taps):
        margin = sum(len(later) // 2 for later in taps[place + 1 :])
        run = filtered(run, each, max(low, begin - margin), min(high, end + margin))
    if how.up != how.down:
        found = resampled(run, how.up, how.down, first, first + num_times)
    else:
        found = np.ascontiguousarray(run.values[:, first - run.first : first - run.first + num_times])
    if how.silent:
        found[list(how.silent)] = 0
    return found
