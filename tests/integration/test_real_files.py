"""Real files through a folder, a web server, S3 and FTP: the same samples, and the same content in the manifest."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import lzma
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import HeaderMismatch
from support.ftp_server import PASSWORD, USER, serve_ftp
from support.small_s3 import small_s3
from support.web_server import serve_web

pytestmark = pytest.mark.usefixtures("children_are_forked")

LINES = 3000
"""Of the table of labels, so that reading it from four places takes no minute."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the files lie, by the place's name: the URI of a folder, and how it is asked."""

    uris: Mapping[str, Callable[[str], str]]
    options: Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def places(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """A folder, a web server, a bucket and an FTP server with the real files, and what is in those packed by xz."""
    scratch = tmp_path_factory.mktemp("real")
    folder = scratch / "root"
    for path in sorted(real_data.rglob("*")):
        if path.is_file() and path.parent.name not in (real_data.name, "LICENSES"):
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.parent.name / path.name)
    (folder / "lines").mkdir()
    (folder / "lines/sotu.jsonl").write_bytes(lzma.decompress((real_data / "text/sotu.jsonl.xz").read_bytes()))
    (folder / "packed").mkdir()
    (folder / "packed/sotu.jsonl.gz").write_bytes(gzip.compress((folder / "lines/sotu.jsonl").read_bytes(), 1))
    (folder / "labels").mkdir()
    table = lzma.decompress((real_data / "xray/Data_Entry_2017_v2020.csv.xz").read_bytes())
    (folder / "labels/labels.csv").write_bytes(b"".join(table.splitlines(keepends=True)[:LINES]))
    for path in (scratch, folder, *folder.iterdir()):
        path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(serve_web(scratch / "nginx", folder))
        s3 = stack.enter_context(small_s3(is_open=True))
        s3.objects |= {
            f"bucket/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        ftp = stack.enter_context(serve_ftp(folder))
        yield Places(
            uris={
                "folder": lambda name: str(folder / name),
                "web": lambda name: f"{web.html}/{name}/",
                "s3": lambda name: f"s3://bucket/{name}",
                "ftp": lambda name: f"{ftp.uri}/{name}",
            },
            options={
                "s3": {"endpoint_url": s3.url, "anonymous": True},
                "ftp": {"storage_options": {"username": USER, "password": PASSWORD}},
            },
        )


def _csv(pattern: str) -> Callable[..., penstock.Dataset]:
    return lambda uri, **options: penstock.of_format("csv", uri, match=pattern, **options)


WHOLE = {"recordings": "eeg", "tables packed by xz": "xray", "text packed by xz": "text", "clips": "video"}
ROWS: dict[str, tuple[str, Callable[..., penstock.Dataset]]] = {
    "events": ("eeg", _csv("*.tsv")),
    "labels": ("labels", _csv("*.csv")),
    "columns": ("parquet", lambda uri, **options: penstock.parquet(uri, columns=["patient_id"], **options)),
    "lines": ("lines", penstock.jsonl),
    "lines packed by gzip": ("packed", penstock.jsonl),
}


def content_of(dataset: penstock.Dataset, **options: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the samples in their order as one digest, and what the manifest says of them."""
    digest = hashlib.sha256()
    with dataset.loader(seed=4, window="64Mi", epochs=1, **options) as loader:
        for batch in loader:
            _feed(digest, batch)
    info = dataset.manifest()
    told = (info.num_samples, info.num_extents, info.num_objects, info.object_bytes, info.meaning, info.skipped)
    return digest.hexdigest(), told


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value):
            digest.update(name.encode())
            _feed(digest, value[name])
    elif isinstance(value, torch.Tensor):
        _feed(digest, value.numpy())
    elif isinstance(value, np.ndarray):
        digest.update(repr((value.shape, value.dtype.str)).encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, bytes | memoryview):
        digest.update(bytes(value))
    else:
        digest.update(repr(value).encode())


@pytest.mark.parametrize("kind", WHOLE)
def test_real_files_are_the_same_from_everywhere(places: Places, kind: str) -> None:
    compare(places, WHOLE[kind], penstock.objects, batch_size=1, collate=list)


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_real_files_are_the_same_from_everywhere(places: Places, kind: str) -> None:
    compare(places, *ROWS[kind], batch_size=256)


def compare(places: Places, name: str, make: Callable[..., penstock.Dataset], **options: Any) -> None:
    found = {
        place: content_of(make(uri(name), **places.options.get(place, {})), **options)
        for place, uri in places.uris.items()
    }
    assert found["folder"][1][0] > 0
    for place, content in found.items():
        assert content == found["folder"], place


@pytest.mark.parametrize(("name", "form"), [("text", "jsonl"), ("xray", "csv")])
def test_what_is_packed_by_xz_is_refused_as_such(places: Places, name: str, form: str) -> None:
    for place, uri in places.uris.items():
        dataset = penstock.of_format(form, uri(name), match="*.xz", **places.options.get(place, {}))
        with pytest.raises(HeaderMismatch, match="it begins as xz does: unpack it"):
            dataset.manifest()
