"""AWS: on demand by the Price List API, spot by EC2's history of spot prices; both by boto3, with its credentials.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html. A service's products
in a region are asked for once, and each meter's price is found among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from penstock.cost.meters import AWS_METERS, AwsMeter, edge_of
from penstock.cost.refreshing import (
    MOST_PAGES,
    Found,
    Wanted,
    flat,
    not_told,
    number_of,
    object_in,
    object_of,
    too_many_pages,
)
from penstock.cost.values import Tier
from penstock.errors import AccessDenied, SourceUnavailable

__all__ = ["ask_aws"]

_SOURCE, _SPOT_SOURCE = "AWS Price List API", "AWS EC2 spot price history, mean over zones"
_HOME = "us-east-1"
"""Where the Price List API is served, whatever region is asked for."""
_LINUX = {
    "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
    "marketoption": "OnDemand",
}  # fmt: skip
"""Of what an instance costs by the hour; blocks of capacity, which are paid in advance, are another market option."""
_UNITS = {
    "requests": ("1000 requests", Decimal(1000)),
    "objects": ("1000 objects-month", Decimal(1000)),
    "gb": ("GiB", Decimal(1)),
    "gb-mo": ("GiB-month", Decimal(1)),
    "gb-month": ("GiB-month", Decimal(1)),  # of io2
    "hrs": ("hour", Decimal(1)),
    "iops-mo": ("IOPS-month", Decimal(1)),
    "mibps-mo": ("MiB/s-month", Decimal(1)),
    "gibps-mo": ("MiB/s-month", 1 / Decimal(1024)),
}
"""What AWS's units, in small letters, are in the list's, and how many of these one is."""
_PREFIX = r"(?:[A-Z]{2,4}\d?-)?"
"""Of a usage type, by its region; us-east-1's have none."""
_PLACES = {"AWSDataTransfer": "fromRegionCode", "AmazonCloudFront": ""}
"""The field that a region is in, of services that have it elsewhere; CloudFront's prices are of parts of the world."""
_PAIRED = "transfer-cross-region"

_Products = Callable[[str, tuple[tuple[str, str], ...]], list[dict[str, Any]]]
"""Tells a service's products by filters."""


def ask_aws(wanted: Sequence[Wanted], *, url: str | None = None) -> Iterable[Found]:
    """Ask for the prices of nodes, and of what has a meter.

    Raises:
        AccessDenied, SourceUnavailable: it did not let us, or did not answer.
    """
    import boto3  # here: it takes half a second to import
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from botocore.parsers import ResponseParserError

    config = Config(connect_timeout=10, read_timeout=30, retries={"max_attempts": 3, "mode": "standard"})

    session = boto3.Session()  # of its own: the usual one keeps what credentials it found before

    @cache  # one takes a tenth of a second to make
    def client(service: str, region: str) -> Any:
        return session.client(service, region_name=region, endpoint_url=url, config=config)  # type: ignore[call-overload]

    @cache
    def products(service: str, filters: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
        return list(_products(client("pricing", _HOME), service, dict(filters)))

    try:
        for each in wanted:
            if each.item == _PAIRED and not each.to_region:
                yield from _pairs(products, each)
            elif not each.is_node:
                yield _metered(products, each)
            elif each.lifecycle == "spot":
                yield _spot(client("ec2", each.region), each)
            else:
                yield _listed(client("pricing", _HOME), each)
    except NoCredentialsError as error:
        raise AccessDenied(
            "AWS does not tell prices without credentials", fix="give some, with pricing:GetProducts"
        ) from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if "Denied" in code or "Unauthorized" in code or "Token" in code:
            raise AccessDenied(
                f"AWS does not let these credentials ask for prices ({code})",
                fix="allow pricing:GetProducts and ec2:DescribeSpotPriceHistory",
            ) from error
        raise SourceUnavailable(f"cannot ask AWS for prices ({code})", fix="try later") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise SourceUnavailable(f"cannot ask AWS for prices ({error})", fix="try later") from error


def _products(client: Any, service: str, fields: dict[str, str]) -> Iterable[dict[str, Any]]:
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    pages = client.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
    for number, page in enumerate(pages):
        if number == MOST_PAGES:
            raise too_many_pages(f"AWS's prices of {service}")
        told = page.get("PriceList")
        for text in told if isinstance(told, list) else ():
            yield object_in(str(text), "AWS")


def _listed(client: Any, wanted: Wanted) -> Found:
    fields = {**_LINUX, "instanceType": wanted.item, "regionCode": wanted.region}
    prices = {usd for product in _products(client, "AmazonEC2", fields) for usd in _hourly(product)}
    return _one(wanted, {flat(usd) for usd in prices}, _SOURCE)


def _metered(products: _Products, wanted: Wanted) -> Found:
    meter = AWS_METERS[wanted.item]
    edge = edge_of(wanted.region)
    if "EDGE" in meter.usage and not edge:
        return not_told(wanted, _SOURCE, "which part of the world CloudFront counts it to is not known")
    usage = meter.usage.replace("EDGE", edge)
    found = [product for product in products(meter.service, _filters(wanted, meter)) if _is_of(product, meter, usage)]
    return _one(wanted, {tiers for product in found if (tiers := _tiers(product, meter))}, _SOURCE)


def _pairs(products: _Products, wanted: Wanted) -> Iterable[Found]:
    """Return the prices of transfer from a region to each other one that AWS tells of."""
    meter = AWS_METERS[wanted.item]
    prices: dict[str, set[tuple[Tier, ...]]] = {}
    for product in products(meter.service, _filters(wanted, meter)):
        place = str(_attributes(product).get("toRegionCode") or "")
        if place and _is_of(product, meter, meter.usage) and (tiers := _tiers(product, meter)):
            prices.setdefault(place, set()).add(tiers)
    if not prices:
        yield _one(wanted, set(), _SOURCE)
    for place in sorted(prices):
        yield _one(replace(wanted, to_region=place), prices[place], _SOURCE)


def _filters(wanted: Wanted, meter: AwsMeter) -> tuple[tuple[str, str], ...]:
    place = _PLACES.get(meter.service, "regionCode")
    fields = {place: wanted.region} if place else {}
    fields |= {"toRegionCode": wanted.to_region} if wanted.to_region else {}
    fields |= {"productFamily": meter.family} if meter.family else {}
    return tuple(fields.items())


def _is_of(product: dict[str, Any], meter: AwsMeter, usage: str) -> bool:
    attributes = _attributes(product)
    return re.fullmatch(f"{_PREFIX}{usage}", str(attributes.get("usagetype"))) is not None and all(
        re.fullmatch(pattern, str(attributes.get(name) or "N/A"), re.IGNORECASE) for name, pattern in meter.attributes
    )


def _attributes(product: dict[str, Any]) -> dict[str, Any]:
    return object_of(object_of(product.get("product")).get("attributes"))


def _tiers(product: dict[str, Any], meter: AwsMeter) -> tuple[Tier, ...]:
    """Return a product's prices by what was bought before, in the list's unit; nothing of one that is free."""
    found: dict[Decimal, Decimal] = {}
    for part in _dimensions(product):
        unit, factor = _UNITS.get(str(part.get("unit")).lower(), ("", Decimal(1)))
        begin, usd = number_of(part.get("beginRange", 0)), number_of(object_of(part.get("pricePerUnit")).get("USD"))
        if unit == meter.unit and begin is not None and usd is not None and usd >= 0:
            found[begin] = (usd * factor).normalize()
    priced = [Tier(above=begin, price=found[begin]) for begin in sorted(found)]
    paid = [tier for tier in priced if tier.price]
    if not paid:
        return ()
    if not meter.is_tiered:
        return flat(paid[0].price)
    if not meter.free_gib or not priced[0].price:
        return tuple(priced)
    return (*flat(Decimal(0)), Tier(above=Decimal(meter.free_gib), price=priced[0].price), *priced[1:])


def _dimensions(product: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Return the parts of what a product costs on demand."""
    for term in object_of(object_of(product.get("terms")).get("OnDemand")).values():
        for part in object_of(object_of(term).get("priceDimensions")).values():
            yield object_of(part)


def _hourly(product: dict[str, Any]) -> set[Decimal]:
    """Return the prices above 0 of an hour on demand; reservations of capacity that are used cost nothing more."""
    parts = [part for part in _dimensions(product) if part.get("unit") == "Hrs"]
    prices = {number_of(object_of(part.get("pricePerUnit")).get("USD")) for part in parts}
    return {usd for usd in prices if usd is not None and usd > 0}


def _spot(client: Any, wanted: Wanted) -> Found:
    """Return the mean of the zones' latest prices: those that hold from now on, one a zone."""
    now = datetime.now(UTC)
    pages = client.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=[wanted.item], ProductDescriptions=["Linux/UNIX"], StartTime=now, EndTime=now
    )
    latest: dict[str, tuple[Any, Decimal]] = {}
    for row in (row for page in pages for row in page.get("SpotPriceHistory", [])):
        zone, at, usd = str(row.get("AvailabilityZone")), row.get("Timestamp"), number_of(row.get("SpotPrice"))
        if at is not None and usd is not None and (zone not in latest or at > latest[zone][0]):
            latest[zone] = (at, usd)
    if not latest:
        return _one(wanted, set(), _SPOT_SOURCE)
    mean = sum((usd for _, usd in latest.values()), Decimal(0)) / len(latest)
    return _one(wanted, {flat(mean.quantize(Decimal("0.000001")))}, _SPOT_SOURCE)


def _one(wanted: Wanted, prices: set[tuple[Tier, ...]], source: str) -> Found:
    if len(prices) != 1:
        why = "AWS tells no such price" if not prices else f"AWS tells {len(prices)} prices"
        return not_told(wanted, source, why)
    return Found(wanted=wanted, tiers=prices.pop(), source=source)
