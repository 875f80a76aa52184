"""Each line of Penstock that those who come from another library are shown is run, against a Hub and a store."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import shlex
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from penstock.cli import main
from penstock.dataset import Mixed
from support.formats import FORMATS
from support.hub_server import serve_hub
from support.small_s3 import SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coming-from.md").read_text()
THEIRS = ("py", "yml")
"""Languages of blocks that are others'."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _table(first: int) -> bytes:
    ids = range(first, first + 20)
    file = io.BytesIO()
    table = {"text": [f"Row {each}" for each in ids], "label": [each % 3 for each in ids], "meta": ["m"] * 20}
    pq.write_table(pa.table(table), file, row_group_size=8)
    return file.getvalue()


def _shard(first: int) -> bytes:
    picture, file = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8), (first, 0, 0)).save(picture, "JPEG")
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(first, first + 6):
            for name, data in (("jpg", picture.getvalue()), ("cls", b"%d" % number)):
                member = tarfile.TarInfo(f"{number:05}.{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def _fill(store: SmallS3) -> None:
    lines = b"".join(b'{"text": "line %d"}\n' % number for number in range(30))
    golden = json.loads((ROOT / "tests/unit/formats/golden/litdata.json").read_text())
    files = next(iter(golden.values()))["files"]
    objects = {
        "logs/a.jsonl.gz": gzip.compress(lines),
        "logs/b.jsonl.gz": gzip.compress(lines),
        "tables/a.csv": b"x,y\n1,a\n2,b\n",
        "rows/0.parquet": _table(0),
        "rows/1.parquet": _table(20),
        "mds/shard.00000.mds": FORMATS["mds"][2],
        "mds/shard.00001.mds": FORMATS["mds"][2],
        **{f"pets/{number:03}.tar": _shard(6 * number) for number in range(3)},
        **{f"lit/{name}": base64.b64decode(data) for name, data in files.items()},
    }
    store.objects.update({f"bucket/{name}": data for name, data in objects.items()})


@pytest.fixture(scope="module")
def _served() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched, serve_hub() as hub, small_s3(is_open=True) as store:
        hub.files = {f"data/train-0000{number}-of-00002.parquet": _table(20 * number) for number in range(2)}
        _fill(store)
        named = {"AWS_ENDPOINT_URL": store.url, "AWS_REGION": "us-east-2", "HF_ENDPOINT": hub.url}
        for name, value in {**named, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "none"}.items():
            patched.setenv(name, value)
        patched.delenv("HF_TOKEN", raising=False)
        yield


SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.usefixtures("_served")
def test_each_line_of_ours_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "cache/data-00000-of-00001.arrow").write_bytes(FORMATS["arrow"][2])
    (tmp_path / "data/a.json").write_text('[{"text": "a"}]')
    tokenize: Callable[[list[str]], list[int]] = lambda texts: [len(text) for text in texts]  # noqa: E731
    names: dict[str, Any] = {"tokenize": tokenize}
    blocks = _BLOCK.findall(SECTIONS[name])
    ours = [(language, text) for language, text in blocks if language not in THEIRS]
    assert len(ours) * 2 >= len(blocks) > 0
    for language, text in ours:
        if language == "yaml":
            (tmp_path / "blend.yaml").write_text(text)
        elif language == "sh":
            for line in text.splitlines():
                assert main(shlex.split(line)[1:]) == 0
        else:
            exec(compile(text, f"{name}: {text.splitlines()[0]}", "exec"), names)
    for called, each in names.items():
        if isinstance(each, Mixed) or called in ("tokens", "pets", "tables", "cooked"):  # what no line reads itself
            with each.loader(3, epochs=1, window="64Mi", collate=list) as loader:
                assert next(iter(loader))
