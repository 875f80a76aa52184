"""Fixtures of all tests: an S3 server, a bucket of one's own, small datasets, the real recordings."""

from __future__ import annotations

import gc
import os
import signal
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from support.cli import Bucket
from support.forked import forked_children
from support.left import changed, logging_put_back, process_state
from support.moto_s3 import CREDENTIALS, connect, serve_s3
from support.proofs import Proofs, pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

# A shell that starts this in the background, or nohup, leaves them ignored, and all that is started here as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Collecting tests makes objects by the million, and hardly a cycle to look for among them.
gc.disable()

# Threads that share out next to nothing spin while they wait for each other, here and in processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What a test finds must not depend on the cloud that it runs on.
os.environ.setdefault("PENSTOCK_NODE_METADATA", "off")

# No test is timed: a busy machine must not make one fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write golden files instead of comparing with them")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Proofs(config))


def pytest_collection_finish() -> None:
    """Have no search for cycles look at what is here by now: whole libraries, and thousands of tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def process_is_left_as_it_was() -> Iterator[None]:
    """Of the environment and the like nothing is passed on to the tests that come after, whichever these are."""
    before = process_state()
    with logging_put_back():
        yield
    if told := changed(before, process_state()):
        pytest.fail(f"this test leaves what others find: {'; '.join(told)}", pytrace=False)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """URL of an S3 server in a process of its own."""
    with serve_s3() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, with credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    made = Bucket(name=f"test-{uuid.uuid4().hex[:12]}", url=s3_url, client=connect(s3_url))
    made.client.create_bucket(Bucket=made.name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    yield made
    made.empty()


@pytest.fixture(scope="module")
def children_are_forked() -> Iterator[None]:
    """Prefetchers and listings are forked from a process that has imported all: where their start is not the point."""
    with forked_children():
        yield


@pytest.fixture
def shards_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Shards that a test opens end with it: where it fails, its error refers to them for as long as it is kept."""
    from penstock.dataset.shards import Shards

    made: list[Any] = []
    make = Shards.__init__

    def made_by(self: Shards, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        made.append(weakref.ref(self))

    monkeypatch.setattr(Shards, "__init__", made_by)
    yield
    for shards in (each() for each in made):
        if shards is not None:
            shards.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings, from PENSTOCK_TEST_DATA."""
    folder = os.environ.get("PENSTOCK_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PENSTOCK_TEST_DATA names no folder of real recordings")
    return Path(folder)
