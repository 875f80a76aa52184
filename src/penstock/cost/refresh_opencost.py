"""What a cluster's own books say of its nodes: the allocation API of OpenCost, and of Kubecost.

https://opencost.io/docs/integrations/api: an allocation by node, over the last day, with what lay idle shared out among
what ran: so its cores, memory and GPUs cost what the node costs. Volumes and network are billed apart and left out.

Neither asks who asks; what stands before them does. A user and a password of the URL are sent as HTTP's basic ones
(RFC 7617), else the token of ``PENSTOCK_OPENCOST_TOKEN`` as a bearer's. Redirects are not
followed, so they go nowhere else.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from penstock.cost.refreshing import Found, Wanted, ask_json, flat, not_told, number_of
from penstock.errors import ConfigError, SourceUnavailable
from penstock.urls import check_endpoint

__all__ = ["ask_opencost"]

_PATHS = ("/allocation/compute", "/model/allocation")
"""OpenCost's, and Kubecost's."""
_NOT_THERE = "status 404"
_QUERY = {
    "window": "24h",
    "aggregate": "node",
    "accumulate": "true",
    "includeIdle": "true",
    "idleByNode": "true",
    "shareIdle": "true",
}
_PARTS = ("cpuCost", "cpuCostAdjustment", "ramCost", "ramCostAdjustment", "gpuCost", "gpuCostAdjustment")
_SOURCE = "OpenCost allocation API, last 24 h, idle time shared"
TOKEN = "PENSTOCK_OPENCOST_TOKEN"  # noqa: S105 - the name of a variable
_LEAST_MINUTES = 5
"""Below which a node has not been there long enough to tell its rate."""


def ask_opencost(*, url: str) -> Iterable[Found]:
    """Ask for the rates of all nodes, by their names.

    Args:
        url: of the server, with a user and a password where it asks for them.

    Raises:
        ConfigError: it is no URL, or the token cannot be sent.
        AccessDenied: it lets whoever asks so not ask.
        SourceUnavailable: it did not answer, or not so.
    """
    answer = _answer(*_asked_as(url))
    sets = answer.get("data")
    if not isinstance(sets, list):
        raise SourceUnavailable("OpenCost answered with no allocations", fix="check --endpoint-url")
    each_of = [each for found in sets if isinstance(found, dict) for each in found.items()]
    nodes = [(name, told) for name, told in each_of if not name.startswith("__") and isinstance(told, dict)]
    if not nodes:  # the others are idle, unmounted, unallocated
        raise SourceUnavailable(
            "OpenCost tells of no node in the last 24 h",
            fix="ask again when it has measured for some minutes, or check --endpoint-url",
        )
    for name, allocation in nodes:
        yield _found(name, allocation)


def _asked_as(url: str) -> tuple[str, Mapping[str, str]]:
    """Return a server's URL without user and password, and the header that these, or the token, go into."""
    scheme, separator, rest = url.partition("://")
    user, at, _ = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
    plain = check_endpoint(f"{scheme}{separator}{rest[len(user) + len(at) :]}", "--endpoint-url")
    if at:
        name, _, password = user.partition(":")
        told = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        return plain, {"Authorization": f"Basic {told}"}
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        return plain, {}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"the token of {TOKEN} holds a character that none may", fix="set it as it was given")
    return plain, {"Authorization": f"Bearer {token}"}


def _answer(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        return ask_json(f"{url}{_PATHS[0]}", query=_QUERY, headers=headers, of="OpenCost")
    except SourceUnavailable as error:
        if _NOT_THERE not in error.what:
            raise
    try:
        return ask_json(f"{url}{_PATHS[1]}", query=_QUERY, headers=headers, of="Kubecost")
    except SourceUnavailable as error:
        if _NOT_THERE not in error.what:
            raise
        raise SourceUnavailable(
            f"there is no allocation API at {url}: {' and '.join(_PATHS)} both answered with {_NOT_THERE}",
            fix="give --endpoint-url without a path, like http://opencost.opencost:9003",
        ) from error


def _found(name: str, allocation: dict[str, Any]) -> Found:
    wanted = Wanted(item=name, provider="own", region="", lifecycle="on-demand", machine=None)
    minutes = number_of(allocation.get("minutes") or 0)
    costs = [number_of(allocation.get(part) or 0) for part in _PARTS]
    if minutes is None or None in costs:
        return not_told(wanted, _SOURCE, "OpenCost tells no numbers of it")
    cost = sum((each for each in costs if each is not None), Decimal(0))
    if minutes < _LEAST_MINUTES or cost <= 0:
        return not_told(wanted, _SOURCE, f"OpenCost tells {cost:f} USD of {minutes:f} minutes")
    return Found(wanted=wanted, tiers=flat((cost / minutes * 60).quantize(Decimal("0.000001"))), source=_SOURCE)
