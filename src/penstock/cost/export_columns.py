"""Which columns of an export of a cloud's costs say what: FOCUS 1.x, AWS CUR 2.0, and AWS's older reports.

Sources: https://focus.finops.org/focus-specification/ and the table dictionary of AWS Data Exports,
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html. Costs are what is billed: FOCUS's
BilledCost, and the unblended cost of AWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ExportColumns", "columns_for", "kind_of"]

KINDS = ("Compute", "Storage", "Networking")
"""What lines of a bill are of, as FOCUS calls it; anything else is called by its service."""
_FAMILIES = (
    ("Networking", ("data transfer", "nat gateway", "vpcendpoint", "vpc endpoint", "ip address", "load balancer")),
    ("Storage", ("storage", "api request", "system operation", "provisioned", "fee", "retrieval")),
    ("Compute", ("compute instance", "dedicated host", "cpu credits")),
)
"""Words of AWS's product families."""
_PRODUCTS = {
    "AmazonEC2": "Compute",
    "AmazonS3": "Storage",
    "AmazonFSx": "Storage",
    "AmazonEFS": "Storage",
    "AWSDataTransfer": "Networking",
    "AmazonVPC": "Networking",
    "AmazonCloudFront": "Networking",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportColumns:
    """Where an export says what.

    Attributes:
        title: of its format.
        cost: what is billed.
        currency: None where it does not say.
        service: name of the service.
        kind: its category, or AWS's product family; None where neither is there.
        tags: of all tags, as a map or as JSON; None where each tag has a column.
        tag: of the one tag that is looked for, where each has a column.
    """

    title: str
    cost: str
    currency: str | None
    service: str
    kind: str | None
    tags: str | None
    tag: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """All of them that there are."""
        names = (self.cost, self.currency, self.service, self.kind, self.tags, self.tag)
        return tuple(dict.fromkeys(name for name in names if name is not None))


_FORMATS = (
    ("FOCUS", "BilledCost", "BillingCurrency", "ServiceName", "ServiceCategory", "Tags", ()),
    (
        *("AWS CUR", "line_item_unblended_cost", "line_item_currency_code", "line_item_product_code"),
        *("product_product_family", "resource_tags"),
        ("resource_tags_user_{}", "resource_tags_{}"),
    ),
    (
        *("AWS CUR", "lineItem/UnblendedCost", "lineItem/CurrencyCode", "lineItem/ProductCode"),
        *("product/productFamily", "", ("resourceTags/user:{}", "resourceTags/{}")),
    ),
)


def columns_for(names: Sequence[str], tag_key: str) -> ExportColumns | None:
    """Return where a file with such columns says what; None where it is no such export, or has no tags."""
    for title, cost, currency, service, kind, tags, patterns in _FORMATS:
        if cost not in names or service not in names:
            continue
        tag = next((name for pattern in patterns if (name := pattern.format(tag_key)) in names), None)
        if tag is None and tags not in names:
            continue
        return ExportColumns(
            title=title,
            cost=cost,
            currency=currency if currency in names else None,
            service=service,
            kind=kind if kind in names else None,
            tags=tags if tag is None else None,
            tag=tag,
        )
    return None


def kind_of(service: str, kind: str) -> str:
    """Return what a row of an export is of: one of the kinds of a bill's lines, else its service."""
    if kind in KINDS:
        return kind
    lowered = kind.lower()
    family = next((name for name, words in _FAMILIES if any(word in lowered for word in words)), None) if kind else None
    return family or _PRODUCTS.get(service, service)
