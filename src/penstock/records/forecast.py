"""What a run is forecast to take and cost, each way that its data could go."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Part, Record

__all__ = ["ForecastLine", "ForecastNode", "ForecastRecord", "ForecastWay", "UsdRange"]


class UsdRange(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dollars as they are expected, and if things go better or worse; None where nothing has a price."""

    low: float | None
    mid: float | None
    high: float | None


class ForecastLine(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of dollars; None where there is no price."""

    what: str
    quantity: float
    unit: str
    usd: float | None


class ForecastWay(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way that the data could go.

    Attributes:
        utilisation: part of the node's time that it computes, 0 to 1.
        moved_bytes: from the source.
        unpriced: what has no price, and is not in the dollars.
        limit: what bounds the rate of the bytes.
        co2_grams: of CO2 equivalents, estimated; None where they are not known, or nobody asked.
    """

    name: str
    told: str
    wall_seconds: float
    stall_seconds: float
    utilisation: float
    moved_bytes: float
    get_requests: float
    usd: UsdRange
    unpriced: tuple[str, ...]
    disk_bytes: float
    fits: bool
    limit: str
    lines: tuple[ForecastLine, ...]
    co2_grams: float | None = None


class ForecastNode(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training on one kind of node.

    Attributes:
        list_requests: pages of the listing, which all ways pay.
        list_seconds: that the listing took just now, which all ways take too; None where none was made for this.
        compute_seconds: of an epoch; None where that is not known, and was taken to be nothing.
        rate_bytes_per_second: that a stream gets; None for no limit.
        breakeven_epochs: E*; None where there is none, or a price is not known.
        rate_without_stall: B*; None for no limit.
        window_without_stall_bytes: W*.
        best: name of the way that is recommended; None where nothing fits.
        command: that takes it.
    """

    node: str
    usd_per_hour: float | None
    epochs: int
    epoch_bytes: float
    epoch_requests: float
    list_requests: float
    compute_seconds: float | None
    rate_bytes_per_second: float | None
    breakeven_epochs: int | None
    breakeven_download: str
    rate_without_stall: float | None
    window_without_stall_bytes: float
    sentences: tuple[str, ...]
    best: str | None
    recommendation: str
    command: str
    ways: tuple[ForecastWay, ...]
    list_seconds: float | None = None

    def way(self, name: str) -> ForecastWay | None:
        """Return a way by its name."""
        return next((each for each in self.ways if each.name == name), None)


class ForecastRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A forecast, of one node or several.

    Attributes:
        planned: name of the way that the run goes that this is the forecast of; None where it is of no run.
    """

    kind: ClassVar[str] = "forecast"
    version: ClassVar[int] = 1
    remake: ClassVar[str] = "forecast again"

    nodes: tuple[ForecastNode, ...]
    assumptions: tuple[str, ...]
    planned: str | None = None
