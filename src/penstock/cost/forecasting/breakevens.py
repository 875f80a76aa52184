"""From how many epochs a download pays, what link never stalls, what window would do: E*, B*, W*, and in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.breakeven import rate_without_stall, window_without_stall
from penstock.cost.forecasting.inputs import Demand
from penstock.units import format_bytes

__all__ = ["MOST_EPOCHS", "Breakevens", "breakevens_of", "first_epochs"]

MOST_EPOCHS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakevens:
    """Where one way begins to be better than another.

    Attributes:
        epochs: E*, from which the download costs no more than streaming; None where that is not within
            ``MOST_EPOCHS``, or a price is not known.
        download: name of the way that is compared.
        rate: B*, bytes per second that never stall.
        window_bytes: W*, that the window must keep so that epochs after the first do not stall.
    """

    epochs: int | None
    download: str
    rate: float
    window_bytes: float

    def sentences(self, demand: Demand, rate: float, *, is_priced: bool = True) -> tuple[str, ...]:
        """Say what they mean for a demand on a link of ``rate``, to a node that has a price or has none."""
        if not is_priced:
            epochs = (
                f"From how many epochs on downloading first ({self.download}) pays (E*) is not known: the node has no "
                "price (name its type with --instance-type, or state its price with --node-usd-per-hour)."
            )
        elif self.epochs is None:
            epochs = (
                f"Downloading first ({self.download}) never costs less than streaming, within {MOST_EPOCHS} epochs."
            )
        elif self.epochs == 1:
            epochs = f"Downloading first ({self.download}) costs no more than streaming even for one epoch (E* = 1)."
        else:
            epochs = (
                f"Up to {self.epochs - 1} epoch{'s' if self.epochs > 2 else ''} streaming costs less; from "
                f"{self.epochs} epochs on (E*) downloading first ({self.download}) does."
            )
        if math.isinf(self.rate):
            link = "No link is fast enough for an epoch that computes nothing (B*)."
        elif rate >= self.rate:
            link = (
                f"The node does not wait: an epoch needs {format_bytes(self.rate)}/s (B*) and gets {_rate_told(rate)}."
            )
        else:
            link = (
                f"The node waits in the first epoch: it needs {format_bytes(self.rate)}/s (B*) and gets "
                f"{_rate_told(rate)}."
            )
        if not self.window_bytes:
            window = "No window needs to keep anything for that (W* = 0)."
        else:
            window = (
                f"A window that keeps {format_bytes(self.window_bytes)} of {format_bytes(demand.epoch_bytes)} (W*) "
                "ends the waiting in the epochs after the first."
            )
        return epochs, link, window


def _rate_told(rate: float) -> str:
    return "as much as it likes" if math.isinf(rate) else f"{format_bytes(rate)}/s"


def breakevens_of(demand: Demand, rate: float, *, epochs: int | None, download: str) -> Breakevens:
    """Return the break-evens of a demand on a link."""
    return Breakevens(
        epochs=epochs,
        download=download,
        rate=rate_without_stall(demand.epoch_bytes, demand.compute_seconds),
        window_bytes=window_without_stall(demand.epoch_bytes, rate, demand.compute_seconds),
    )


def first_epochs(streamed: Callable[[int], Decimal], downloaded: Callable[[int], Decimal]) -> int | None:
    """Return the fewest epochs for which a download costs no more, None where not within ``MOST_EPOCHS``.

    Args:
        streamed: gives what so many epochs cost.
        downloaded: the same, of the download.
    """
    if downloaded(1) <= streamed(1):
        return 1
    low, high = 1, 2
    while downloaded(high) > streamed(high):
        if high >= MOST_EPOCHS:
            return None
        low, high = high, min(2 * high, MOST_EPOCHS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if downloaded(middle) > streamed(middle) else (low, middle)
    return high
