"""A bucket that is listed by its inventory: the same manifest as by its own listing, and a note of how old it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock
from penstock.errors import ObjectNotFound
from penstock.manifest import ManifestReader
from support.cli import penstock as run
from support.inventories import DATE, s3_inventory, s3_rows
from support.objects import content, to_number
from support.small_s3 import SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

OBJECTS = {f"data/{number:04}.bin": content(number) for number in range(24)}
FOLDER = "s3://inv/of/bucket/config"


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as state:
        state.objects |= {f"bucket/{key}": data for key, data in OBJECTS.items()}
        state.objects |= {f"inv/{key}": data for key, data in s3_inventory(s3_rows(OBJECTS), kind="Parquet").items()}
        yield state


def test_list_says_how_old_the_inventory_is_and_makes_the_same_manifest(server: SmallS3, tmp_path: Path) -> None:
    words = ["list", "--source", "s3://bucket/data", "--endpoint-url", server.url, "--anonymous", "--task", "objects"]
    told = {}
    for name, more in {"live": (), "inventory": ("--source-option", f"inventory={FOLDER}")}.items():
        paths = ("--manifest", tmp_path / f"{name}.parquet", "--plan", tmp_path / f"{name}.json")
        done = run(*words, *paths, *more)
        assert done.returncode == 0, done.stderr
        told[name] = done.stdout
    assert "note: listed from the S3 Inventory of 2026-11-01 01:00 UTC" not in told["live"]
    assert "note: listed from the S3 Inventory of 2026-" in told["inventory"]
    live, by_inventory = (ManifestReader(tmp_path / f"{name}.parquet").info for name in told)
    assert live.fingerprint == by_inventory.fingerprint
    assert by_inventory.source.options["inventory"] == f"{FOLDER}/{DATE}/manifest.json"


@pytest.mark.parametrize("more", [(), ("--max-objects", "1")], ids=["all", "beginning"])
def test_inspect_says_how_old_the_inventory_is(server: SmallS3, more: tuple[str, ...]) -> None:
    told = run(
        "inspect", "s3://bucket/data", "--anonymous", "--endpoint-url", server.url, "--source-option",
        f"inventory={FOLDER}", *more,
    )  # fmt: skip
    assert "listed from the S3 Inventory of 2026-" in " ".join(told.stdout.split())


def test_a_stream_reads_by_an_inventory_and_meets_what_has_gone_since(server: SmallS3) -> None:
    options = {"anon": True, "endpoint_url": server.url, "inventory": FOLDER}
    given = {"decode": to_number, "batch_size": 8, "window": "2Mi", "storage_options": options}
    with penstock.Stream("s3://bucket/data", **given) as stream:
        found = [int(number) for batch in stream for number in batch]
    assert sorted(found) == list(range(24))
    del server.objects["bucket/data/0007.bin"]
    with pytest.raises(ObjectNotFound, match=r"0007\.bin"), penstock.Stream("s3://bucket/data", **given) as stream:
        list(stream)
    with penstock.Stream("s3://bucket/data", on_bad_sample="skip", **given) as stream:
        found = [int(number) for batch in stream for number in batch]
    assert sorted(found) == [number for number in range(24) if number != 7]
