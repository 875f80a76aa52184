"""Blobs: a local folder and each store are held to the same."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectNotFound,
    OutputError,
    OutputUnwritable,
    SourceUnavailable,
)
from penstock.sources import Blobs, open_blobs
from support.azure_server import ACCOUNT, CONTAINER, Azure
from support.cli import Bucket
from support.gcs_server import Gcs
from unit.sources.answering import answer, error, serve
from unit.sources.places import QUICK

Opener = Callable[[str], Blobs]


@pytest.fixture(params=["local", "file uri", "s3", "whole bucket", "gs", "whole gs bucket", "az", "az by account"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens an empty place by the name of a folder in it."""
    if request.param in ("local", "file uri"):
        root = str(tmp_path) if request.param == "local" else tmp_path.as_uri()
        yield lambda name: open_blobs(f"{root}/{name}")
        return
    if request.param in ("gs", "whole gs bucket"):
        gcs: Gcs = request.getfixturevalue("gcs")
        prefix = "runs/" if request.param == "gs" else ""
        yield lambda name: open_blobs(f"{gcs.uri}/{prefix}{name}", endpoint_url=gcs.url)
        return
    if request.param in ("az", "az by account"):
        azure: Azure = request.getfixturevalue("azure")
        at = f"{azure.uri}/runs" if request.param == "az" else f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net"
        yield lambda name: open_blobs(f"{at}/{name}", endpoint_url=azure.url)
        return
    bucket: Bucket = request.getfixturevalue("bucket")
    prefix = "runs/" if request.param == "s3" else ""
    yield lambda name: open_blobs(f"{bucket.uri}/{prefix}{name}", endpoint_url=bucket.url, region="us-east-2")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000), name=st.sampled_from(["latest.json", "a b#c?d%20+.pt", "ünï.pt"]))
def test_what_is_written_is_read(opened: Opener, data: bytes, name: str) -> None:
    blobs = opened("run")
    blobs.write(name, b"before")
    blobs.write(name, data)
    assert blobs.read(name) == data
    assert opened("run").read(name) == data


def test_a_large_blob(opened: Opener) -> None:
    data = bytes(range(256)) * 40_000
    opened("run").write("step.pt", data)
    assert opened("run").read("step.pt") == data


def test_a_blob_of_several_parts(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.sources.stores.blobs.PART_BYTES", 1000)
    for size in (999, 1000, 1001, 3500):
        data = (bytes(range(256)) * 14)[:size]
        opened("run").write("step.pt", data)
        assert opened("run").read("step.pt") == data


def test_a_blob_that_is_not_there(opened: Opener) -> None:
    blobs = opened("run")
    for name in ("nothing", "no/thing"):
        with pytest.raises(ObjectNotFound, match=f"there is no .*run/{name}: check the path") as caught:
            blobs.read(name)
        assert caught.value.about == blobs.locate(name)
    blobs.write("something", b"x")
    with pytest.raises(ObjectNotFound):
        blobs.read("something/below")


def test_a_blob_is_deleted_and_may_be_deleted_again(opened: Opener) -> None:
    blobs = opened("run")
    blobs.delete("x")
    blobs.write("x", b"1")
    blobs.write("y", b"2")
    blobs.delete("x")
    blobs.delete("x")
    with pytest.raises(ObjectNotFound):
        blobs.read("x")
    assert blobs.read("y") == b"2"


def test_a_blob_is_found_again_by_where_it_lies(opened: Opener) -> None:
    opened("run").write("best.pt", b"x")
    assert opened("run").locate("best.pt").endswith("/run/best.pt")
    assert opened("run/").locate("best.pt") == opened("run").locate("best.pt")
    assert opened("").read("run/best.pt") == b"x"


def test_a_small_blob_takes_no_memory_for_the_largest_that_there_may_be(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    blobs.write("a", b"few")
    tracemalloc.start()
    try:
        assert blobs.read("a") == b"few"
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 1 << 20


def test_a_local_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    blobs = open_blobs(str(tmp_path / "file"))
    with pytest.raises(OutputUnwritable, match="file/x"):
        blobs.write("x", b"1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputUnwritable, match="folder"):
        open_blobs(str(tmp_path)).delete("folder")
    with pytest.raises(AccessDenied, match="folder"):
        open_blobs(str(tmp_path)).read("folder")


def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    blobs = open_blobs("s3://no-such-bucket-at-all/run", endpoint_url=bucket.url, region="us-east-2")
    with pytest.raises(OutputUnwritable, match="bucket of s3://no-such-bucket-at-all/run/x does not exist"):
        blobs.write("x", b"1")
    with pytest.raises(BucketNotFound, match="bucket of s3://no-such-bucket-at-all/run/x does not exist"):
        blobs.read("x")


@pytest.mark.usefixtures("bucket")
def test_a_server_that_refuses() -> None:
    with serve([error("403 Forbidden", "AccessDenied")]) as server:
        blobs = open_blobs("s3://bucket/run", endpoint_url=server.url)
        with pytest.raises(OutputUnwritable, match=r"AccessDenied.*\): check the bucket and s3:PutObject"):
            blobs.write("x", b"1")
        with pytest.raises(AccessDenied, match=r"AccessDenied.*\): check s3:GetObject"):
            blobs.read("x")


@pytest.mark.usefixtures("bucket")
def test_a_server_that_fails() -> None:
    with serve([error("503 Slow Down", "SlowDown")]) as server:
        blobs = open_blobs("s3://bucket/run", endpoint_url=server.url, limits=QUICK)
        with pytest.raises(OutputError, match=r"cannot write s3://bucket/run/x.*SlowDown.*3 tries in \d s"):
            blobs.write("x", b"1")
        with pytest.raises(SourceUnavailable, match=r"SlowDown.*3 tries"):
            blobs.read("x")
        assert len(server.requests) == 6
    with serve([answer("200 OK", b"half", length_bytes=8)]) as server:
        blobs = open_blobs("s3://bucket/run", endpoint_url=server.url, limits=QUICK)
        with pytest.raises(SourceUnavailable):
            blobs.read("x")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    blobs = open_blobs("s3://bucket/run", endpoint_url="http://127.0.0.1:9", region="us-east-1")
    with pytest.raises(AccessDenied, match="no AWS credentials"):
        blobs.read("x")
    with pytest.raises(OutputUnwritable, match="no AWS credentials"):
        blobs.write("x", b"1")


@pytest.mark.parametrize(
    "root",
    [
        "kaggle://bucket/run",
        "gs://",
        "gs:///run",
        "gs://Bucket/run",
        "s3://",
        "s3:///run",
        "file://host/run",
        "https://host/run",
    ],
)
def test_a_root_of_another_kind(root: str) -> None:
    with pytest.raises(ConfigError):
        open_blobs(root)


@pytest.mark.parametrize("endpoint", ["no url", "http://user:pa55word@", "localhost:9000"])
def test_an_endpoint_that_is_none(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="endpoint") as caught:
        open_blobs("s3://bucket/run", endpoint_url=endpoint)
    assert "pa55word" not in str(caught.value)
