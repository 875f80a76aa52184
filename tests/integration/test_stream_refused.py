"""Stores that refuse some requests, through ``penstock.Stream``: each try counted, and as many at a time as pay."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import penstock
from penstock.window.concurrency import START
from penstock.window.gauges import read_gauges
from support.objects import content, to_number
from support.small_s3 import Asked, Reply, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 300


@pytest.mark.parametrize(
    ("status", "one_in", "is_less"),
    [(503, 25, False), (500, 25, False), (503, 2, True), (429, 2, True)],
    ids=["a few 503", "a few 500", "every second 503", "every second 429"],
)
def test_refused_requests_are_made_again_and_fewer_are_in_flight_where_they_are_many(
    status: int, one_in: int, is_less: bool, tmp_path: Path
) -> None:
    objects = {f"bucket/{number:04}.bin": content(number) for number in range(NUM_OBJECTS)}
    refused: list[Asked] = []
    with small_s3(objects=objects, is_open=True) as server:
        asked_before = itertools.count(1)

        def refuses(asked: Asked) -> Reply | None:
            if not asked.path.endswith(".bin") or next(asked_before) % one_in:
                return None
            refused.append(asked)
            return Reply.error(status, "SlowDown" if status == 503 else "Busy")

        server.takeover = refuses
        folder = tmp_path / "window"
        options = {"endpoint_url": server.url, "anonymous": True, "window_folder": folder, "epochs": 1}
        with penstock.Stream("s3://bucket", decode=to_number, batch_size=20, **options) as stream:  # type: ignore[arg-type]
            seen = sorted(int(number) for batch in stream for number in batch)
            gauges = read_gauges(folder)
        meters = stream.meters()
    assert seen == list(range(NUM_OBJECTS))
    assert gauges is not None
    assert (gauges.in_flight_limit < START) == is_less
    num_asked = sum(asked.path.endswith(".bin") for asked in server.requests)
    made_once_more = num_asked - NUM_OBJECTS - meters.retried_requests
    # The first one may be answered, and the stream closed, before the second finds a connection.
    assert 0 <= made_once_more <= meters.hedged_requests
    # A late request that is made once more may be refused as well: then the first one is waited for.
    assert meters.retried_requests <= len(refused) <= meters.retried_requests + meters.hedged_requests
