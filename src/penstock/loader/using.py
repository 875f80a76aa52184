"""Using the samples of a run: what to do when one is bad, or when the window changes under them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.errors import DataError, PenstockError
from penstock.records import SkippedSample
from penstock.secrets import redact
from penstock.window import ExtentSkipped, WindowExtent, WindowReader

__all__ = ["Run", "SampleUser", "reason_of"]

MAX_BAD_IN_A_ROW = 100
"""Bad samples without a good one between them, at which it is no longer the samples that are bad."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Samples of one slot that were used.

    Attributes:
        num_passed: stream indices that are done with, bad ones included.
        first: the first sample, which vouches for all; None where it alone was bad.
        skipped: bad ones.
    """

    num_passed: int
    first: WindowExtent | None
    skipped: list[SkippedSample]


class SampleUser:
    """Uses samples run by run.

    Args:
        skips: leave out a sample that is bad, and name it, where False raises.
    """

    def __init__(self, *, skips: bool) -> None:
        self._skips = skips
        self._bad_in_a_row = 0

    def use_run(self, reader: WindowReader, indices: Sequence[int], use: Callable[[WindowExtent], None]) -> Run | None:
        """Use samples for as long as they lie in one slot; None where the window changed, and nothing of it counts.

        Raises:
            PenstockError: a sample's, or the stream's.
            DataError: ``MAX_BAD_IN_A_ROW`` were bad.
        """
        first: WindowExtent | None = None
        passed = 0
        skipped: list[SkippedSample] = []
        try:
            for sample in reader.run(indices):
                first = first or sample
                try:
                    use(sample)
                    self.begin_anew()
                except Exception as error:
                    # Whoever meets bytes that changed under it may fail for that alone.
                    if not reader.is_intact(first):
                        return None
                    if not self.may_skip(error):
                        raise
                    skipped.append(self.note(sample.meta.key, error))
                passed += 1
        except ExtentSkipped as bad:
            return Run(num_passed=1, first=None, skipped=[self.note(bad.key, bad.error)])
        assert first is not None
        return Run(num_passed=passed, first=first, skipped=skipped) if reader.is_intact(first) else None

    def may_skip(self, error: Exception) -> bool:
        """Tell whether a decoder's error is left out; one of the stream or of the disk never is."""
        return self._skips and (not isinstance(error, PenstockError) or error.skippable)

    def begin_anew(self) -> None:
        """Take note of what was good."""
        self._bad_in_a_row = 0

    def note(self, key: str, error: Exception) -> SkippedSample:
        """Count and name what was bad.

        Raises:
            DataError: ``MAX_BAD_IN_A_ROW`` were.
        """
        reason = reason_of(key, error)
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= MAX_BAD_IN_A_ROW:
            raise DataError(
                f"{self._bad_in_a_row} samples in a row could not be used, the last one {key} ({reason})",
                fix="see whether the decoder is right for this dataset, and whether its objects are still there",
                about=key,
            ) from error
        return SkippedSample(key=key, reason=reason)


def reason_of(key: str, error: Exception) -> str:
    """Say in a line why something was bad."""
    reason = error.what if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
    reason = reason.removeprefix(f"{key}: ")
    return redact(" ".join(reason.split()))[:200]
