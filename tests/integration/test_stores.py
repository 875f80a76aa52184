"""Training from and to each store of objects, end to end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import penstock
from penstock.errors import AccessDenied, ObjectUnreadable, SourceChanged
from penstock.records import RunRecord, decode_record, read_record
from support.azure_server import ACCOUNT, KEY, Azure, serve_azure
from support.cli import Bucket, succeed
from support.eeg import write_eeg
from support.gcs_server import Gcs, serve_gcs
from support.objects import content, to_number
from support.small_s3 import Asked, Reply, SmallS3

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 40


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store of the test's own, and how it is spoken of.

    Attributes:
        objects: its own, by key.
        put: puts an object there.
        server: that answers.
        answer: its own answers.
        secret: that nothing but requests may hold.
        deny: lets an object not be read.
        storage_options: with which nothing of the environment is needed.
        variables: of the environment, which the secret stands in.
    """

    uri: str
    url: str
    objects: dict[str, bytes]
    put: Callable[[str, bytes], object]
    server: SmallS3
    answer: Callable[[Asked], Reply]
    secret: str
    deny: Callable[[str], object]
    storage_options: dict[str, object]
    variables: tuple[str, ...]

    def upload(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())


def _gs(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack) -> Store:
    patch.setenv("NO_GCE_CHECK", "true")
    patch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    secret = "ya29.a-token-of-the-test"
    gcs: Gcs = stack.enter_context(serve_gcs(token=secret))
    patch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", secret)
    return Store(
        uri=gcs.uri,
        url=gcs.url,
        objects=gcs.objects,
        put=gcs.put,
        server=gcs.server,
        answer=gcs.answer,
        secret=secret,
        deny=gcs.denied.add,
        storage_options={"token": secret, "endpoint_url": gcs.url},
        variables=("GOOGLE_OAUTH_ACCESS_TOKEN",),
    )


def _az(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack) -> Store:
    azure: Azure = stack.enter_context(serve_azure())
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        patch.delenv(name)
    patch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    patch.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
    patch.setenv("AZURE_STORAGE_KEY", KEY)
    return Store(
        uri=azure.uri,
        url=azure.url,
        objects=azure.objects,
        put=azure.put,
        server=azure.server,
        answer=azure.answer,
        secret=KEY,
        deny=azure.denied.add,
        storage_options={"account_name": ACCOUNT, "account_key": KEY, "endpoint_url": azure.url},
        variables=("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"),
    )


KINDS = {"gs": _gs, "az": _az}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with contextlib.ExitStack() as stack:
        yield KINDS[request.param](monkeypatch, stack)


def opened(store: Store, **options: object) -> penstock.Stream:
    given = {"decode": to_number, "batch_size": 8, "window": "2Mi", "seed": 1, "endpoint_url": store.url}
    return penstock.Stream(f"{store.uri}/objects", **{**given, **options})  # type: ignore[arg-type]


def numbers(stream: penstock.Stream) -> list[int]:
    return [int(number) for batch in stream for number in batch]


def test_faults_in_the_middle_leave_the_samples_as_they_are_and_are_counted(store: Store, bucket: Bucket) -> None:
    for number in range(NUM_OBJECTS):
        store.put(f"objects/{number:04}.bin", content(number))
        bucket.put(f"objects/{number:04}.bin", content(number))
    with penstock.Stream(
        f"{bucket.uri}/objects", decode=to_number, batch_size=8, window="2Mi", seed=1, endpoint_url=bucket.url
    ) as stream:
        expected = [numbers(stream) for _ in range(2)]
    hits = {"data": 0}

    def failing(asked: Asked) -> Reply:
        if "range" not in asked.headers and asked.path.endswith(".bin"):
            hits["data"] += 1
            if hits["data"] % 5 == 1:
                return Reply(status=503, headers={"Retry-After": "0"})
        return store.answer(asked)

    store.server.takeover = failing
    with opened(store) as stream:
        assert [numbers(stream) for _ in range(2)] == expected
    found = stream.meters()
    assert found.count("GET", purpose="data").answers_5xx == found.retried_requests >= NUM_OBJECTS // 5
    assert found.failed_requests == 0


def test_an_object_that_changed_or_may_not_be_read(store: Store) -> None:
    for number in range(8):
        store.put(f"objects/{number:04}.bin", content(number))
    with opened(store, batch_size=1) as stream:
        assert len(stream) == 8
        for number in range(8):
            store.put(f"objects/{number:04}.bin", content(number + 1))
        with pytest.raises(SourceChanged):
            numbers(stream)
    for number in range(8):
        store.put(f"objects/{number:04}.bin", content(number))
    store.deny("objects/0003.bin")
    with opened(store) as stream, pytest.raises(ObjectUnreadable, match="0003"):
        numbers(stream)
    with opened(store, on_bad_sample="skip", batch_size=1) as stream:
        assert sorted(numbers(stream)) == [0, 1, 2, 4, 5, 6, 7]


def test_an_epoch_begins_before_the_source_is_listed_to_its_end(store: Store) -> None:
    for number in range(NUM_OBJECTS):
        store.put(f"objects/{number:04}.bin", content(number))
    with opened(store, stream_listing=True) as stream:
        for _ in range(2):
            assert sorted(numbers(stream)) == list(range(NUM_OBJECTS))


def test_storage_options_reach_those_alone_that_ask_the_source(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in store.variables:
        monkeypatch.delenv(name)
    for number in range(8):
        store.put(f"objects/{number:04}.bin", content(number))
    folders = {name: tmp_path / name for name in ("window_folder", "manifest_folder")}
    options = {"endpoint_url": None, "storage_options": store.storage_options, **folders}
    with opened(store, **options) as stream:
        for _ in range(2):
            assert sorted(numbers(stream)) == list(range(8))
        kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert len(kept) >= 2
    assert not any(store.secret.encode() in data for data in (*kept, *words))
    dataset = penstock.objects(f"{store.uri}/objects", storage_options=store.storage_options)
    assert store.secret not in repr(dataset)
    assert dataset.manifest(tmp_path / "m.parquet").num_samples == 8
    assert store.secret.encode() not in (tmp_path / "m.parquet").read_bytes()
    with dataset.map(len).loader(4) as loader:
        assert sum(int(size) for batch in loader for size in batch) == 8 * 2_000
    with pytest.raises(AccessDenied), opened(store) as stream:
        numbers(stream)


WORDS = ("--task", "eeg-events", "--split-by", "sample", "--split", "0.6,0.2,0.2", "--seed", 5)
TRAINING = ("--epochs", 2, "--batch-size", 4, "--threads", 1, "--window-size", "1Mi")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings, and what a training on them from there gave."""
    folder = tmp_path_factory.mktemp("trained")
    write_eeg(folder / "eeg")
    succeed("run", "--source", folder / "eeg", *WORDS, *TRAINING, "--out", folder / "local")
    return folder


def test_the_whole_job_from_and_to_a_store_gives_the_weights_that_it_gives_from_a_folder(
    store: Store, trained: Path, tmp_path: Path
) -> None:
    store.upload(trained / "eeg", "eeg")
    root = ("--run-root", f"{store.uri}/runs", "--run-id", "mine", "--run-endpoint-url", store.url)
    there = ("--source", f"{store.uri}/eeg", "--endpoint-url", store.url)
    made = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json")
    out = tmp_path / "out"
    out.mkdir()
    printed = succeed("list", *there, *WORDS, *made)
    printed += succeed("train", *made, *TRAINING, "--record", out / "run.json", *root)
    best = f"{store.uri}/runs/mine/checkpoints"
    printed += succeed("evaluate", *made, "--checkpoint", best, "--metrics", out / "e.json", *root)
    ours, local = (read_record(folder / "run.json", RunRecord) for folder in (out, trained / "local"))
    assert ours.weights_sha256 == local.weights_sha256
    kept = decode_record(store.objects["runs/mine/records/train.json"], RunRecord)
    assert kept.weights_sha256 == ours.weights_sha256
    assert kept.meters.count("PUT").sent > 0
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    written += [data for key, data in store.objects.items() if key.startswith("runs/")]
    assert not any(store.secret.encode() in data for data in (*written, printed.encode()))
