"""What was forecast beside what was: ratios, misses, and what a miss comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["GOAL", "QUANTITIES", "Compared", "compare", "why"]

GOAL = 0.05
_MB, _LEAST = 1e6, 0.01
QUANTITIES = ("wall_seconds", "bytes", "requests")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A run's quantity.

    Attributes:
        ratio: what was forecast, by what was.
    """

    name: str
    forecast: float
    actual: float

    @property
    def ratio(self) -> float:
        """What was forecast, by what was."""
        return self.forecast / self.actual

    @property
    def is_right(self) -> bool:
        """Whether it was within the goal."""
        return abs(self.ratio - 1) <= GOAL


def compare(told: dict[str, Any]) -> list[Compared]:
    """Return each quantity of a run that was made."""
    pairs = [(name, told["forecast"][name], told["actual"][name]) for name in QUANTITIES]
    return [Compared(name=name, forecast=forecast, actual=actual) for name, forecast, actual in pairs]


HANDING_SECONDS_PER_GB = 0.7
"""Of a core of AMD EPYC, that a loop's own process takes for what samples it is given (docs/forecast.md)."""


def why(told: dict[str, Any], missed: Compared) -> str:
    """Say by the run's own figures what a quantity that was missed comes from, the largest part first."""
    parts = {"wall_seconds": _of_wall, "bytes": _of_bytes, "requests": _of_requests}[missed.name]
    found = parts(told["forecast"], told["actual"])
    largest = sorted((part for part in found if abs(part[0]) >= _LEAST), key=lambda part: -abs(part[0]))
    return "; ".join(f"{amount:,.2f} {what}" for amount, what in largest) or "nothing that was measured"


def _of_wall(forecast: dict[str, Any], actual: dict[str, Any]) -> list[tuple[float, str]]:
    computed = actual["compute_seconds"] - forecast["compute_seconds"]
    read = (actual["bytes"] - forecast["bytes"]) / forecast["rate_bytes_per_second"]
    more = actual["wall_seconds"] - forecast["wall_seconds"] - computed
    parts = [f"{read:,.2f} s are what its more bytes take at the forecast's rate"]
    parts += [f"{actual['start_seconds'] - forecast['start_seconds']:,.2f} s are its start"]
    if given := actual.get("given_bytes", 0):
        handed = given / 10**9 * HANDING_SECONDS_PER_GB
        parts += [f"some {handed:,.2f} s handing {given / _MB:,.0f} MB over, some of which is in the forecast"]
    why = f"of which {', '.join(parts)}"
    return [
        (computed, "s more computing in the epochs than forecast"),
        (more, f"s more of starts, of waiting for data and of scoring than forecast ({why})"),
    ]


def _of_bytes(forecast: dict[str, Any], actual: dict[str, Any]) -> list[tuple[float, str]]:
    due = actual["sample_bytes"] - actual["reused_bytes"]
    again = actual["bytes"] - due - actual["wasted_bytes"]
    return [
        ((due - forecast["bytes"]) / _MB, f"MB more than forecast that the window had not ({_kept(actual)})"),
        (actual["wasted_bytes"] / _MB, "MB of late answers, thrown away"),
        (again / _MB, "MB of cut bodies and of listings"),
    ]


def _of_requests(forecast: dict[str, Any], actual: dict[str, Any]) -> list[tuple[float, str]]:
    again = actual["retried_requests"] + actual["hedged_requests"]
    return [
        (actual["requests"] - again - forecast["requests"], f"more than forecast at first ({_kept(actual)})"),
        (actual["retried_requests"], "made again after a fault"),
        (actual["hedged_requests"], "made twice because they were late"),
    ]


def _kept(actual: dict[str, Any]) -> str:
    return f"it kept {actual['kept_bytes'] / _MB:.1f} MB, and gave {actual['reused_bytes'] / _MB:.1f} MB of them again"
