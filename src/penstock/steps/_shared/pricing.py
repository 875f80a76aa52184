"""Prices for the bill, looked at before anything is paid for: what lacks is told early, and never loses a run."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime

from penstock.cost.model import CostSetting
from penstock.cost.prices import Prices, load_prices
from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.options.cost import BillOptions
from penstock.sources import find_scheme
from penstock.sources.node import this_node
from penstock.steps.options.run import JobOptions
from penstock.texts import nearest

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+){1,2}-[0-9]{1,2}|[a-z]+(?:-[a-z]+)+[0-9]{1,2}")
"""As AWS or Google name one."""
OTHERS_TAKEN = "(prices are those of other regions)"
__all__ = [
    "OTHERS_TAKEN",
    "check_region",
    "cost_setting",
    "endpoint_paid",
    "region_told",
    "setting_here",
    "warn_of_node",
    "warn_of_prices",
    "warn_of_region",
]


def cost_setting(args: BillOptions, instance_type: str | None) -> CostSetting:
    """Return what the options say of the bill.

    Raises:
        ConfigError: a value that no bill can be made with.
    """
    return CostSetting(
        instance_type=instance_type,
        today=args.today or datetime.now(UTC).date(),
        node_usd_per_hour=args.node_usd_per_hour,
        region=args.price_region,
        transfer=args.transfer,
        source_prices=args.source_prices,
        disk=args.window_disk,
        bill_idle=args.bill_idle,
    )


def setting_here(args: BillOptions, instance_type: str | None) -> CostSetting:
    """Return what the options say of the bill of a run on this very node, and what is known of it.

    Raises:
        ConfigError: a value that no bill can be made with.
    """
    node, setting = this_node(), cost_setting(args, instance_type)
    return replace(
        setting,
        instance_type=setting.instance_type or node.instance_type,
        region=setting.region or node.region,
        lifecycle=setting.lifecycle or node.lifecycle,
    )


def endpoint_paid(spec: SourceSpec) -> str | None:
    """Return the server that a source's requests go to, by its options, environment or profile; None for AWS itself."""
    return find_scheme(spec.uri).asked_server(spec)


def check_region(region: str | None, prices: Prices) -> None:
    """Refuse a region that no price is of, and that no cloud has; others take the price of another one, told so.

    Raises:
        ConfigError: there is no such region.
    """
    told = region_told(region, prices)
    if not told or (region is not None and re.fullmatch(_REGION, region)):
        return
    raise ConfigError(
        told,
        fix="leave --price-region out, or pass one that has prices "
        f"({', '.join(prices.regions()) or 'none has'}), a region of AWS or Google Cloud, or a price file of your own "
        "with --prices",
    )


def region_told(region: str | None, prices: Prices) -> str:
    """Say that nothing has a price in a region, and which it may be meant for; the empty text where something has."""
    known = prices.regions()
    if region is None or region in known:
        return ""
    near = nearest(region, known)
    return f"there is no price of the region {region!r}{f'; did you mean {near!r}?' if near else ''}"


def warn_of_region(region: str | None, prices: Prices, *, step: str) -> None:
    """Warn on standard error of a region that prices of others are taken for.

    Raises:
        ConfigError: there is no such region.
    """
    check_region(region, prices)
    if told := region_told(region, prices):
        sys.stderr.write(f"penstock {step}: warning: {told} {OTHERS_TAKEN}\n")


def warn_of_prices(args: JobOptions) -> None:
    """Read the prices that a bill is to be made with, and warn where the node has none.

    Raises:
        ConfigError, RecordError: the options, or the price file, are none.
    """
    setting, prices = cost_setting(args, args.instance_type), load_prices(args.prices)
    warn_of_region(setting.region, prices, step="run")
    if setting.node_usd_per_hour is None:
        warn_of_node(setting.instance_type, prices, step="run")


def warn_of_node(instance_type: str | None, prices: Prices, *, step: str) -> None:
    """Warn on standard error of an instance type without a price."""
    if instance_type is None:
        return
    try:
        prices.node(instance_type)
    except ConfigError as error:
        sys.stderr.write(f"penstock {step}: warning: {error.what}, so the report will leave it open: {error.fix}\n")
