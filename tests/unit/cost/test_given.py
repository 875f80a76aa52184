"""Public functions of costs, given what they cannot use: each says so as the library does."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

import penstock
from penstock.cost import (
    CostSetting,
    bill,
    charge,
    load_prices,
    rate_without_stall,
    total_meters,
    window_without_stall,
)
from penstock.errors import ConfigError, PenstockError
from support.runs import make_run

TODAY = date(2026, 11, 28)
PRICES = load_prices(today=TODAY)
NODE = PRICES.node("g5.xlarge")
SETTING = CostSetting(today=TODAY)
NO_NUMBERS: tuple[Any, ...] = ("5", None, True, -1, math.nan, Decimal("NaN"), [])
NO_TEXTS: tuple[Any, ...] = (None, 7, b"x", ["get"])


def _bill(**changes: Any) -> Any:
    given = {"run": make_run(), "steps": [], "evaluation": None, "prices": PRICES, "setting": SETTING} | changes
    return bill(given.pop("run"), **given)


def _forecast(*uri: Any, **options: Any) -> Any:
    return penstock.forecast(*uri, **options)


_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "quantity": lambda number: charge(NODE, number),
    "before": lambda number: charge(NODE, 1, before=number),
    "cost": NODE.cost,
    "epoch_bytes": lambda number: rate_without_stall(number, 1),
    "compute_seconds": lambda number: rate_without_stall(1, number),
    "kept": lambda number: window_without_stall(number, 1, 1),
    "rate": lambda number: window_without_stall(1, number, 1),
    "seconds": lambda number: window_without_stall(1, 1, number),
}
_TEXTS: dict[str, Callable[[Any], Any]] = {
    "node": PRICES.node,
    "machine": PRICES.machine,
    "item": lambda text: PRICES.find(text, unit="GiB"),
    "unit": lambda text: PRICES.find("s3-get", unit=text),
    "store": lambda text: PRICES.requests(text, "get"),
    "kind": lambda text: PRICES.requests("s3", text),
    "class": lambda text: PRICES.storage("s3", storage_class=text),
    "stored": PRICES.storage,
    "retrieved": lambda text: PRICES.retrieval("s3", storage_class=text),
    "path": PRICES.transfer,
    "provider": lambda text: PRICES.transfer("nat", provider=text),
    "disks": lambda text: PRICES.disk(provider=text),
    "transfer": lambda text: CostSetting(today=TODAY, transfer=text),
    "source_prices": lambda text: CostSetting(today=TODAY, source_prices=text),
    "uri": _forecast,
}
_OTHERS: dict[str, Callable[[], Any]] = {
    "a file of no name": lambda: load_prices(""),
    "no file": lambda: load_prices("text"),
    "a NUL": lambda: load_prices("a\0b"),
    "a URI": lambda: load_prices("s3://bucket/prices.yaml"),
    "no path": lambda: load_prices(5),  # type: ignore[arg-type]
    "a day as text": lambda: load_prices(today="2026-11-28"),  # type: ignore[arg-type]
    "no day": lambda: load_prices(today=0),  # type: ignore[arg-type]
    "a moment": lambda: load_prices(today=datetime(2026, 11, 28)),
    "a region": lambda: PRICES.node("g5.xlarge", region=3),  # type: ignore[arg-type]
    "a lifecycle": lambda: PRICES.node("g5.xlarge", lifecycle="spoot"),  # type: ignore[arg-type]
    "a disk": lambda: PRICES.disk(3),  # type: ignore[arg-type]
    "endless": lambda: charge(NODE, math.inf),
    "too much": lambda: charge(NODE, 1e300),
    "no rate": lambda: charge("g5.xlarge", 1),  # type: ignore[arg-type]
    "no run": lambda: _bill(run=None),
    "no step": lambda: _bill(steps=["list"]),
    "no evaluation": lambda: _bill(evaluation={}),
    "no price list": lambda: _bill(prices="prices.yaml"),
    "no setting": lambda: _bill(setting=None),
    "no traffic": lambda: total_meters(None, steps=[], evaluation=None),  # type: ignore[arg-type]
    **{
        f"{name}={value!r}": lambda name=name, value=value: CostSetting(**{"today": TODAY, name: value})
        for name, value in (
            ("today", None), ("today", "2026-11-28"), ("region", 3), ("instance_type", 4), ("disk", 3), ("co2", "yes"),
            ("node_usd_per_hour", -1), ("node_usd_per_hour", math.nan), ("node_usd_per_hour", "1"), ("num_nodes", 0),
            ("num_nodes", "2"), ("put_requests", -1), ("bill_idle", 1), ("grid_gco2_per_kwh", -1), ("disk_bytes", -1),
            ("lifecycle", "spoot"), ("source_prices", "s4"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("name", _NUMBERS)
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        _NUMBERS[name](value)


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
@pytest.mark.parametrize("name", _TEXTS)
def test_what_is_no_text_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        _TEXTS[name](value)


@pytest.mark.parametrize("name", _OTHERS)
def test_what_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(PenstockError) as refused:
        _OTHERS[name]()
    assert refused.value.fix


def test_what_can_be_used_is_used() -> None:
    assert charge(NODE, 2)[0].usd == NODE.cost(Decimal(2)) == Decimal("2.012")
    assert rate_without_stall(1, 0) == math.inf
    assert window_without_stall(5, math.inf, 1) == 0
