"""When packing pays is told in dollars where all prices are known, in requests where one is not; never as nothing."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.inspection.advice import GetPrice
from penstock.sharding.paying import Prices, paying
from penstock.sharding.records import ShardRecord
from penstock.units import GIB, MIB

FREE, UNKNOWN, S3 = GetPrice(0.0, "nobody is paid"), GetPrice(None, "not known here"), GetPrice(4e-7, "at S3's price")


def told(
    *,
    source: GetPrice,
    place: GetPrice,
    put: float | None,
    storage: float | None,
    requests: int = 1000,
    retrieval: float | None = 0.0,
) -> str:
    record = ShardRecord(
        name="shard-000000.tar",
        first_sample=0,
        num_samples=requests,
        num_bytes=64 * MIB,
        made_of="",
        content="",
        source_bytes=64 * MIB,
        source_requests=requests,
    )
    prices = Prices(source_get=source, place_get=place, place_put=put, place_storage=storage, retrieval_usd=retrieval)
    return " ".join(paying([record] * 16, prices))


def test_in_dollars_with_storage_in_epochs() -> None:
    found = told(source=S3, place=S3, put=5e-6, storage=0.023)
    assert "An epoch takes 128 requests of these shards, 16,000 of what they were packed from." in found
    # 16,000 + 128 reads and 32 writes, against 15,872 reads that an epoch saves.
    assert "it pays from epoch 2 on" in found
    # 1 GiB at 0.023 a month against 15,872 reads of 0.0000004.
    assert "1.0 GiB of storage, $0.023" in found
    assert "a month, what 4 epochs a month would save" in found


def test_retrieval_is_paid_once_by_packing_and_by_each_epoch_else() -> None:
    """Of 2 GiB at 0.01: 0.02, beside 0.0066 of requests; an epoch saves 0.02 and 0.0063 of requests."""
    found = told(source=S3, place=S3, put=5e-6, storage=0.023, retrieval=0.02)
    assert "Packing cost $0.027 in requests and retrieval, an epoch saves $0.026" in found
    assert "it pays from epoch 2 on" in found
    few = told(source=S3, place=S3, put=5e-6, storage=0.023, requests=8, retrieval=0.02)  # as many as of shards
    assert "it pays from epoch 2 on" in few
    open_ = told(source=S3, place=S3, put=5e-6, storage=0.023, retrieval=None)
    assert "(what reading its classes of storage costs is not known)" in open_


@pytest.mark.parametrize(
    "prices",
    [
        {"source": UNKNOWN, "place": S3, "put": 5e-6, "storage": 0.023},
        {"source": S3, "place": UNKNOWN, "put": 5e-6, "storage": 0.023},
        {"source": S3, "place": S3, "put": None, "storage": None},
        {"source": FREE, "place": FREE, "put": 0.0, "storage": 0.0},
    ],
)
def test_in_requests_where_a_price_is_not_known_or_nobody_is_paid(prices: dict[str, Any]) -> None:
    found = told(**prices)
    assert "Packing took 16,160 requests, an epoch saves 15,872" in found
    assert "it pays from epoch 2 on, counted in requests" in found
    assert "$0.00" not in found


def test_what_is_not_known_of_storage_is_said() -> None:
    assert "1.0 GiB of storage, whose price is not known." in told(source=S3, place=S3, put=5e-6, storage=None)
    assert told(source=FREE, place=FREE, put=0.0, storage=0.0).endswith("The shards take 1.0 GiB of storage.")


def test_shards_at_a_dearer_place_cost_more() -> None:
    assert "more in requests: packing pays by speed" in told(source=FREE, place=S3, put=5e-6, storage=0.023)


def test_large_objects_save_no_requests() -> None:
    found = told(source=S3, place=S3, put=5e-6, storage=0.023, requests=8)
    assert "No requests are saved" in found
    assert GIB == 16 * 64 * MIB
