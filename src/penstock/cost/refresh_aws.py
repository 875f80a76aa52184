"""AWS: on demand by the Price List API, spot by EC2's history of spot prices; both by boto3, with its credentials.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from penstock.cost.refreshing import Found, Wanted
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


def ask_aws(wanted: Sequence[Wanted], *, url: str | None = None) -> Iterable[Found]:
    """Ask for the prices of nodes.

    Raises:
        AccessDenied, SourceUnavailable: it did not let us, or did not answer.
    """
    import boto3  # here: it takes half a second to import
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    config = Config(connect_timeout=10, read_timeout=30, retries={"max_attempts": 3, "mode": "standard"})

    @cache  # one takes a tenth of a second to make
    def client(service: str, region: str) -> Any:
        return boto3.client(service, region_name=region, endpoint_url=url, config=config)  # type: ignore[call-overload]

    try:
        for each in wanted:
            yield (
                _spot(client("ec2", each.region), each)
                if each.lifecycle == "spot"
                else _listed(client("pricing", _HOME), each)
            )
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
    except BotoCoreError as error:
        raise SourceUnavailable(f"cannot ask AWS for prices ({error})", fix="try later") from error


def _listed(client: Any, wanted: Wanted) -> Found:
    fields = {**_LINUX, "instanceType": wanted.item, "regionCode": wanted.region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
    prices: set[Decimal] = set()
    for page in client.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters):
        for text in page["PriceList"]:
            prices |= _hourly(json.loads(text, parse_float=Decimal))
    return _one(wanted, prices, _SOURCE)


def _hourly(product: dict[str, Any]) -> set[Decimal]:
    """Return the prices above 0 of an hour on demand; reservations of capacity that are used cost nothing more."""
    found = set()
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for part in term.get("priceDimensions", {}).values():
            usd = Decimal(str(part.get("pricePerUnit", {}).get("USD", "0")))
            if part.get("unit") == "Hrs" and usd > 0:
                found.add(usd)
    return found


def _spot(client: Any, wanted: Wanted) -> Found:
    """Return the mean of the zones' latest prices: those that hold from now on, one a zone."""
    now = datetime.now(UTC)
    pages = client.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=[wanted.item], ProductDescriptions=["Linux/UNIX"], StartTime=now, EndTime=now
    )
    latest: dict[str, tuple[Any, Decimal]] = {}
    for row in (row for page in pages for row in page.get("SpotPriceHistory", [])):
        zone, at, usd = str(row["AvailabilityZone"]), row["Timestamp"], Decimal(str(row["SpotPrice"]))
        if zone not in latest or at > latest[zone][0]:
            latest[zone] = (at, usd)
    if not latest:
        return _one(wanted, set(), _SPOT_SOURCE)
    mean = sum((usd for _, usd in latest.values()), Decimal(0)) / len(latest)
    return _one(wanted, {mean.quantize(Decimal("0.000001"))}, _SPOT_SOURCE)


def _one(wanted: Wanted, prices: set[Decimal], source: str) -> Found:
    if len(prices) != 1:
        why = "AWS tells no such price" if not prices else f"AWS tells {len(prices)} prices"
        return Found(wanted=wanted, usd=None, source=source, why=why)
    return Found(wanted=wanted, usd=prices.pop(), source=source)
