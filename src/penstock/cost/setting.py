"""What a bill must be told, since no step can measure it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import get_args

from penstock.cost.given import check_day, check_kind, check_number, check_one_of, check_text
from penstock.cost.values import Lifecycle
from penstock.errors import ConfigError
from penstock.options.cost import NODE_DISK, USUAL_DISK, CostOptions, SourcePrices
from penstock.options.paths import check_path

__all__ = ["NODE_DISK", "USUAL_DISK", "CostSetting"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CostSetting:
    """What the bill must be told, since no step can measure it.

    Attributes:
        today: day of the bill; prices older than 180 days by then are warned of.
        instance_type: the node's; None takes what the run recorded, and without that the node has no price.
        node_usd_per_hour: price of one node, instead of the price file's.
        lifecycle: whether the nodes were bought on demand or as spot; None takes what the run found, and on demand.
        num_nodes: nodes of the training step; None takes what its launcher told.
        region: where the prices are looked for; None takes the node's, where the run found it, and else those that the
            price file has.
        transfer: the way from the source to the node, legs joined by ``+``.
        source_prices: ``auto`` takes the prices of the store that the run read from, none where it read from a folder
            of the node's own, and leaves those of another server open; ``s3`` takes S3's whatever it read from.
        disk: item that the window's disk is billed as; ``usual`` is what was found of it, and ``node``, or None, the
            node's own disk or memory.
        disk_bytes: size of that disk; None takes the window's bound.
        co2: whether the CO2 of the nodes is estimated.
        grid_gco2_per_kwh: grams of CO2 equivalents for a kWh; None takes the region's.
        put_requests: PUT requests of checkpoints and records; None takes those that were counted.
        bill_idle: whether the training's node was kept, and is billed, while nothing ran between attempts.
    """

    today: date
    instance_type: str | None = None
    node_usd_per_hour: Decimal | float | None = None
    lifecycle: Lifecycle | None = None
    num_nodes: int | None = None
    region: str | None = None
    transfer: str = CostOptions.transfer
    source_prices: SourcePrices = CostOptions.source_prices
    disk: str | None = USUAL_DISK
    disk_bytes: int | None = None
    put_requests: int | None = None
    co2: bool = False
    grid_gco2_per_kwh: Decimal | float | None = None
    bill_idle: bool = False

    def __post_init__(self) -> None:
        check_day(self.today, "today")
        for name in ("instance_type", "region", "disk"):
            check_text(getattr(self, name), name, may_lack=True)
        check_one_of(self.source_prices, "source_prices", get_args(SourcePrices))
        if self.lifecycle is not None:
            check_one_of(self.lifecycle, "lifecycle", get_args(Lifecycle))
        for name in ("node_usd_per_hour", "disk_bytes", "put_requests", "grid_gco2_per_kwh", "num_nodes"):
            if getattr(self, name) is not None:
                check_number(getattr(self, name), name)
        for name in ("co2", "bill_idle"):
            check_kind(getattr(self, name), bool, name)
        if self.num_nodes is not None and self.num_nodes < 1:
            raise ConfigError(f"{self.num_nodes} nodes cannot be billed", fix="pass 1 or more")
        check_path(self.transfer)
