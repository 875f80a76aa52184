"""Ways from the source to the node: legs whose prices add up."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigError
from penstock.texts import did_you_mean

__all__ = ["LEGS", "PREFIXES", "Leg", "check_path", "legs_of"]

PREFIXES = {"aws": "transfer", "gcp": "gcs-transfer", "azure": "azure-transfer", "cloudflare": "r2-transfer"}
"""What items of transfer begin with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """One price on the way.

    Attributes:
        item: of the price list, without the seller's prefix.
        unit: what it is per; by the hour it is there as long as the node is.
        is_far: whether it depends on the region that it goes to.
        is_of_node: whether it is sold where the node is, not where the source is.
    """

    item: str
    unit: str = "GiB"
    is_far: bool = False
    is_of_node: bool = False


LEGS = {
    "same-region": (Leg(item="same-region"),),
    "gateway": (Leg(item="gateway"),),
    "cross-zone": (Leg(item="cross-zone-out", is_of_node=True), Leg(item="cross-zone-in", is_of_node=True)),
    "cross-region": (Leg(item="cross-region", is_far=True),),
    "internet": (Leg(item="internet"),),
    "nat": (Leg(item="nat", is_of_node=True),),
    "endpoint": (Leg(item="endpoint", is_of_node=True),),
    "cloudfront": (Leg(item="cloudfront"),),
    "accelerate": (Leg(item="accelerate"),),
    "nat-hour": (Leg(item="nat-hour", unit="hour", is_of_node=True),),
    "endpoint-hour": (Leg(item="endpoint-hour", unit="hour", is_of_node=True),),
}
"""By the names that a way is written with."""


def check_path(path: str) -> str:
    """Return a way as it was written, if it is one.

    Raises:
        ConfigError: it is none; the message names the legs that there are.
    """
    if not isinstance(path, str):
        raise ConfigError(f"the way is {path!r}", fix=f"join with +: {', '.join(LEGS)}")
    legs = path.split("+")
    for leg in legs:
        if leg not in LEGS:
            raise ConfigError(
                f"{leg!r} is no leg of a way to the node",
                fix=f"{did_you_mean(leg, LEGS, quoted=False)}join with +: {', '.join(LEGS)}",
            )
    if twice := next((leg for leg in legs if legs.count(leg) > 1), None):
        raise ConfigError(f"{path!r} goes by {twice} twice", fix="write each leg once")
    return path


def legs_of(path: str) -> tuple[Leg, ...]:
    """Return the legs of a way."""
    return tuple(leg for name in path.split("+") for leg in LEGS[name])
