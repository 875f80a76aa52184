"""The bill of a run. Its sums are decimals: the lines add up to the total to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from penstock.records.attempts import Ended
from penstock.records.codec import Part, Record

__all__ = ["AttemptCost", "CostAdvice", "CostLine", "CostReport", "CostWay", "Emissions"]


class CostLine(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the bill: quantity times price.

    Attributes:
        unit_usd: None where no price is known, and so is ``usd``: the quantity stands, and is not in the total.
        as_of: empty where there is no price, as is ``source``.
        provider: whose price it is, as price lists call them (``aws``); empty where that is not known.
        region: that the price is of; empty where it is of none.
        lifecycle: whether a node was priced on demand or as spot; empty where there is no price.
        list_unit_usd: price of one unit before discounts, None where it is ``unit_usd``.
    """

    item: str
    what: str
    quantity: Decimal
    unit: str
    unit_usd: Decimal | None
    usd: Decimal | None
    as_of: str
    source: str
    provider: str = ""
    region: str = ""
    lifecycle: str = ""
    list_unit_usd: Decimal | None = None


class CostWay(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the epochs of a run took, or would have taken, with their data going one way.

    Attributes:
        name: short, for tables.
        told: what it is, for people.
        is_measured: whether it is how the run went; others are computed of its figures.
        wall_seconds: of the epochs, with a download before them where there is one.
        stall_seconds: of that, that the node waits.
        usd: node, requests, transfer and disk, of what has a price.
        unpriced: what of it has none.
        disk_bytes: that it takes.
        fits: whether there is that much room.
    """

    name: str
    told: str
    is_measured: bool
    wall_seconds: Decimal
    stall_seconds: Decimal
    usd: Decimal
    unpriced: tuple[str, ...]
    disk_bytes: int
    fits: bool


class CostAdvice(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that would have made a run faster or cheaper.

    Attributes:
        action: in a few words.
        flag: options, or the command, that do it.
        told: what its effect stands on.
        seconds_saved: of the epochs' time; None where that is not known.
        usd_saved: None where something has no price; below 0 where it costs more.
    """

    action: str
    flag: str
    told: str
    seconds_saved: Decimal | None
    usd_saved: Decimal | None


class Emissions(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An estimate of the CO2 that a run came to.

    Attributes:
        kwh: that its nodes drew, what their data centre added included; None where that is not known.
        gco2: grams of CO2 equivalents; None where that is not known.
        grid_gco2_per_kwh: grams for a kWh, None where they are not known.
        grid_source: of which year, region and source that is; empty where it is not known.
        unknown: what leaves the estimate open, for people.
    """

    kwh: Decimal | None
    gco2: Decimal | None
    grid_gco2_per_kwh: Decimal | None
    grid_source: str
    unknown: tuple[str, ...]


class AttemptCost(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an attempt's time cost; it is part of the lines of nodes.

    Attributes:
        node: type of its node, or its name where that is not known; empty where nothing is.
        usd: None where its node has no price.
    """

    step: str
    started_at: str
    ended_at: str
    ended: Ended
    node: str
    seconds: Decimal
    usd: Decimal | None


class CostReport(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bill of a run.

    Attributes:
        total_usd: of the lines that have a price.
        stall_usd: part of the nodes' lines that was spent waiting for data, in training, validation and evaluation;
            None where a node has no price.
        assumptions: what was taken for granted, for people.
        warnings: what makes the bill doubtful, such as old prices.
        bottleneck: what held the run up, in a sentence; empty where too little was measured to say, as is what follows.
        meanings: what B*, W* and E* are and mean, in sentences.
        ways: how the data went, and other ways that it could have gone.
        advice: what would make it faster or cheaper, the most useful first; none where the data held nothing up.
        co2: an estimate of it, None where nobody asked.
        attempts: at all steps, as far as they are known.
        idle_seconds: between the first and the last sign of life, in which nothing of the run ran; None where its
            attempts are not known.
        epoch_usd: of the total, an epoch; None where none was trained, as it is for what follows.
        thousand_samples_usd: 1,000 samples that were trained on.
        gib_usd: GiB of samples that were handed over.
        retries_usd: requests that were made again or twice, part of the requests' lines; None where they have no
            price.
        refetched_usd: bytes that were downloaded again because a process was restarted, part of the lines of requests
            and transfer.
        failed_attempts_usd: time of attempts that failed or were killed, part of the nodes' lines.
        monthly_usd: of checkpoints that are kept on, a month, which is in no line; None where they are in no store
            whose price is known.
    """

    kind: ClassVar[str] = "cost"
    version: ClassVar[int] = 2
    is_exact: ClassVar[bool] = True

    run_id: str
    lines: tuple[CostLine, ...]
    total_usd: Decimal
    stall_usd: Decimal | None
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    bottleneck: str = ""
    meanings: tuple[str, ...] = ()
    ways: tuple[CostWay, ...] = ()
    advice: tuple[CostAdvice, ...] = ()
    co2: Emissions | None = None
    attempts: tuple[AttemptCost, ...] = ()
    idle_seconds: Decimal | None = None
    epoch_usd: Decimal | None = None
    thousand_samples_usd: Decimal | None = None
    gib_usd: Decimal | None = None
    retries_usd: Decimal | None = None
    refetched_usd: Decimal | None = None
    failed_attempts_usd: Decimal | None = None
    monthly_usd: Decimal | None = None

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What was used and has no price, as its lines name it."""
        return tuple(line.what for line in self.lines if line.usd is None and line.quantity)

    @property
    def has_price(self) -> bool:
        """Whether anything that was used has a price: the sum of nothing is not 0, but not known."""
        return not self.unpriced or any(line.usd is not None and line.quantity for line in self.lines)

    @property
    def known_usd(self) -> Decimal | None:
        """The total; None where nothing that was used has a price."""
        return self.total_usd if self.has_price else None
