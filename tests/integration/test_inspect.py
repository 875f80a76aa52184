"""What `penstock inspect` tells, and what it costs, by the log of the server that is looked at."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from support.cli import penstock, succeed
from support.hub_server import serve_hub
from support.small_s3 import Asked, Reply, SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")


def picture(size: tuple[int, int], *, kind: str = "JPEG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(made, kind)
    return made.getvalue()


def parquet(num_rows: int, **columns: Any) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"n": range(num_rows), **columns}), made, row_group_size=max(1, num_rows // 4))
    return made.getvalue()


def tar(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return made.getvalue()


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as state:
        yield state


def asked_as(server: SmallS3) -> list[str]:
    return ["--endpoint-url", server.url, "--region", "us-east-2", "--anonymous"]


def record_of(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed("inspect", *words, "--json"))
    return found


def kinds_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {kind["extension"]: kind for kind in found["kinds"]}


def values_of(kind: dict[str, Any]) -> dict[str, list[str]]:
    return {column["name"]: column["values"] for column in kind["columns"]}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_formats_columns_and_first_samples_are_told_of_each_kind(tmp_path: Path) -> None:
    rows = b"".join(b'{"text": "row %d", "label": %d}\n' % (number, number) for number in range(50))
    arrays = io.BytesIO()
    np.save(arrays, np.zeros((3, 4), np.float32))
    folder = write(
        tmp_path / "all",
        {
            "a.parquet": parquet(100, text=[f"t{number}" for number in range(100)]),
            "b.jsonl": rows,
            "c.jsonl.gz": gzip.compress(rows),
            "d.csv": b"x,y\n1,2\n3,4\n",
            "e.tar": tar({"0.jpg": picture((20, 10)), "0.cls": b"7", "1.jpg": picture((20, 10)), "1.cls": b"8"}),
            "f.npy": arrays.getvalue(),
            "g.txt": b"one line\nanother\n",
            "h.json": b'[{"q": 1}, {"q": 2}]',
            "i.json.txt": b"x",
            "pictures/p.png": picture((30, 20), kind="PNG"),
            "odd.thing": b"\x00\x01\x02",
        },
    )
    kinds = kinds_of(record_of(folder))
    assert {name: kind["format"] for name, kind in kinds.items()} == {
        ".parquet": "parquet",
        ".jsonl": "jsonl",
        ".jsonl.gz": "jsonl",
        ".csv": "csv",
        ".tar": "tar",
        ".npy": "npy",
        ".txt": "text",
        ".json": "json",
        ".png": "objects",
        ".thing": "objects",
    }
    assert {name: kind["num_samples"] for name, kind in kinds.items() if kind["format"] != "objects"} == {
        ".parquet": 100,
        ".jsonl": 50,
        ".jsonl.gz": 50,
        ".csv": 2,
        ".tar": 2,
        ".npy": 1,
        ".txt": 2,
        ".json": 2,
    }
    assert values_of(kinds[".parquet"])["text"] == ["t0", "t1", "t2"]
    assert values_of(kinds[".jsonl.gz"]) == {"text": ["row 0", "row 1", "row 2"], "label": ["0", "1", "2"]}
    assert values_of(kinds[".tar"])["cls"] == ["7", "8"]
    assert values_of(kinds[".tar"])["jpg"][0].startswith("JPEG 20x10 RGB")
    assert values_of(kinds[".png"])["is"] == ["PNG 30x20 RGB"]
    assert [column["type"] for column in kinds[".parquet"]["columns"]] == ["int64", "string"]
    assert [column["type"] for column in kinds[".npy"]["columns"]] == ["float32 [3, 4]"]


def test_chunks_that_others_tell_of_are_read_by_what_tells(tmp_path: Path) -> None:
    golden = json.loads((Path(__file__).parents[1] / "unit/formats/golden/litdata.json").read_text())["numbers"]
    files = {f"lit/{name}": base64.b64decode(data) for name, data in golden["files"].items()}
    array = {"zarr_format": 2, "shape": [6], "chunks": [2], "dtype": "<i2", "compressor": None, "fill_value": 7}
    files |= {"z/.zarray": json.dumps(array).encode(), "z/0": b"\1\0\2\0", "z/2": b"\5\0\6\0"}
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file["x"], file["t"] = np.arange(4), ["a", "b", "c", "d"]
    kinds = kinds_of(record_of(write(tmp_path / "all", files | {"h.h5": made.getvalue()})))
    formats = {name: kind["format"] for name, kind in kinds.items()}
    assert {formats[".bin"], formats[".zarr"], formats[".h5"]} == {"litdata", "zarr", "hdf5"}
    assert (kinds[".h5"]["num_samples"], values_of(kinds[".h5"])["t"][:2]) == (4, ["a", "b"])
    assert kinds[".zarr"]["num_samples"] == 6
    assert kinds[".zarr"]["columns"][0]["values"][:2] == ["1", "2"]
    assert kinds[".bin"]["columns"][0]["values"][:2] == ["0", "1"]


def test_what_is_not_what_its_name_says_is_told(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "mixed",
        {
            "a.jpg": picture((8, 8), kind="PNG"),
            "b.parquet": b"<html>no such key</html>",
            "c.tar": gzip.compress(tar({"0.txt": b"x"})),
            "d.csv": b"\x00\x01binary",
            "e.jsonl": b"PK\x03\x04 this is a ZIP",
        },
    )
    told = succeed("inspect", folder)
    assert "! a.jpg is PNG by its first bytes" in told
    assert "! b.parquet is text by its first bytes" in told
    assert "! c.tar is gzip by its first bytes" in told
    assert "! d.csv is no text by its first bytes" in told
    assert "! e.jsonl is ZIP by its first bytes" in told


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    text = [f"{'long words ' * 50}{number} 中文字" for number in range(20)]
    wide = {f"column_{number}_of_a_long_name": text for number in range(12)}
    folder = write(tmp_path / "wide", {f"{'deep/' * 30}a.parquet": parquet(20, **wide), "b.txt": b"\x1b[31mred\n" * 9})
    done = penstock("inspect", folder, environment={"COLUMNS": str(width)})
    assert done.returncode == 0, done.stderr
    assert max(map(cells, done.stdout.splitlines())) <= width
    assert "\x1b" not in done.stdout


def cells(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line)


def test_a_bucket_of_ten_million_objects_is_looked_at_by_few_requests(server: SmallS3) -> None:
    body = parquet(8)
    server.takeover = lambda asked: endless_page(asked, len(body)) or endless_object(asked, body)
    found = record_of("s3://large", *asked_as(server))
    assert not found["is_whole"]
    assert found["figures"]["num_objects"] >= 10_000
    assert len(server.requests) <= 60
    assert found["spent"]["requests"] == len(server.requests)
    shown = succeed("inspect", "s3://large", *asked_as(server), "--max-requests", "10")
    assert "the listing was not read to its end" in shown
    assert "no more than 10 and" in shown
    assert int(re.findall(r"This took (\d+) requests", shown)[0]) <= 10


def endless_page(asked: Asked, size: int) -> Reply | None:
    if asked.path.strip("/") != "large" or not asked.query:
        return None
    prefix = asked.query.get("prefix", "")
    if asked.query.get("delimiter"):
        folders = "".join(f"<CommonPrefixes><Prefix>{n:02}/</Prefix></CommonPrefixes>" for n in range(100))
        return listing(folders, "")
    first = int(asked.query.get("continuation-token") or (int(prefix.strip("/") or 0) * 100_000))
    keys = (f"{n // 100_000:02}/{n:08}.parquet" for n in range(first, first + 1000))
    told = "".join(
        f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag></Contents>" for key in keys
    )
    return listing(told, str(first + 1000))


def listing(told: str, token: str) -> Reply:
    more = f"<NextContinuationToken>{quote(token)}</NextContinuationToken>" if token else ""
    body = (
        "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Name>large</Name>"
        f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>{told}{more}</ListBucketResult>"
    )
    return Reply(body=body.encode(), headers={"Content-Type": "application/xml"})


def endless_object(asked: Asked, body: bytes) -> Reply:
    if "range" not in asked.headers:
        return Reply(body=body, headers={"ETag": '"e"'})
    first, last = map(int, re.findall(r"\d+", asked.headers["range"]))
    return Reply(
        status=206,
        body=body[first : last + 1],
        headers={"ETag": '"e"', "Content-Range": f"bytes {first}-{last}/{len(body)}"},
    )


def test_large_objects_are_not_read_whole(server: SmallS3) -> None:
    rng = np.random.default_rng(0)
    payload = [rng.bytes(400_000) for _ in range(40)]
    made = io.BytesIO()
    pq.write_table(pa.table({"n": range(40), "data": payload}), made, row_group_size=40, compression="none")
    server.objects["big/a.parquet"] = made.getvalue()
    server.objects["big/b.tar"] = tar({f"{n}.{name}": payload[n] for n in range(40) for name in ("bin", "dat")})
    server.objects["big/c.jsonl"] = b"".join(b'{"n": %d, "pad": "%s"}\n' % (n, b"x" * 2000) for n in range(8000))
    found = record_of("s3://big", *asked_as(server))
    kinds = kinds_of(found)
    assert values_of(kinds[".parquet"]) == {"n": ["0", "1", "2"], "data": ["not read (15.3 MiB a row group)"]}
    assert values_of(kinds[".tar"])["bin"][0] == "binary, 390.6 KiB"
    assert values_of(kinds[".jsonl"])["n"] == ["0", "1", "2"]
    assert kinds[".tar"]["num_samples"] is None
    assert 35 <= kinds[".tar"]["about_samples"] <= 45
    assert 7500 <= kinds[".jsonl"]["about_samples"] <= 8500
    assert found["spent"]["bytes_downloaded"] < 6 << 20


def test_the_budget_of_bytes_holds(server: SmallS3) -> None:
    for number in range(10):
        server.objects[f"b/{number}.k{number}"] = b"x" * 100_000
        server.objects[f"b/{number}.tar"] = tar({"0.bin": b"x" * 1_000_000})
    found = record_of("s3://b", *asked_as(server), "--max-bytes", "64Ki")
    assert found["spent"]["bytes_downloaded"] <= 64 << 10
    assert any("budget" in kind["note"] for kind in found["kinds"])


def test_small_objects_are_advised_against_in_figures(server: SmallS3) -> None:
    server.objects |= {f"tiny/{number:05}.bin": b"x" * 100 for number in range(1500)}
    advice = record_of("s3://tiny", *asked_as(server))["advice"]
    assert advice[0].startswith("An epoch takes 1,500 requests (what requests cost here is not known)")
    assert "1,500 objects of 100 B on average" in advice[1]
    assert "an epoch would take 1 request instead of 1,500" in advice[1]


def test_configs_and_splits_of_a_hub_dataset_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    card = b"---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/t*.parquet\n"
    card += b"- config_name: fr\n"
    with serve_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.files = {
            "README.md": card + b"  data_dir: fr\n---\n",
            "en/t.parquet": parquet(4),
            "fr/test.parquet": parquet(4),
        }
        found = record_of("hf://datasets/org/name")
    assert found["configs"] == ["en", "fr"]
    assert found["splits"] == ["en: train", "fr: test"]


def test_one_file_can_be_looked_at(tmp_path: Path, server: SmallS3) -> None:
    server.objects["b/in/a.parquet"] = parquet(12)
    folder = write(tmp_path, {"a.parquet": parquet(12)})
    for found in (record_of(folder / "a.parquet"), record_of("s3://b/in/a.parquet", *asked_as(server))):
        assert found["figures"]["num_objects"] == 1
        assert found["kinds"][0]["about_samples"] == 12


def test_a_page_needs_nothing_beside_itself_and_shows_what_others_wrote_as_text(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "data",
        {"<script>alert(1)</script>.txt": b"<img src=x onerror=alert(2)>\n", "p.png": picture((64, 32), kind="PNG")},
    )
    succeed("inspect", folder, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:image/png)", page)
    assert page.count("data:image/png;base64,") == 1


def test_pictures_are_shown_only_by_a_terminal_of_true_colours(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {"p.png": picture((64, 32), kind="PNG")})
    done = penstock("inspect", folder, "--pictures")
    assert done.returncode == 0
    assert "no pictures are shown" in done.stderr
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("/nowhere/at/all",), 20, "there is no folder /nowhere/at/all"),
        (("s4://bucket",), 2, "there is no scheme 's4'"),
        (("s3://none/x", "--max-requests", "0"), 2, "--max-requests"),
    ],
)
def test_bad_input_is_one_line_and_the_exit_code_of_its_class(words: tuple[str, ...], code: int, told: str) -> None:
    done = penstock("inspect", *words)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = penstock("inspect", tmp_path / "empty")
    assert done.returncode != 0
    assert "nothing lies under" in done.stderr
    write(tmp_path / "hollow", {"a.txt": b""})
    assert "is empty" not in succeed("inspect", tmp_path / "hollow").splitlines()[0]


def test_an_object_that_must_not_be_read_is_told_and_the_others_are_looked_at(server: SmallS3) -> None:
    server.objects |= {"b/a.parquet": parquet(4), "b/z.jsonl": b'{"n": 1}\n'}
    server.takeover = lambda asked: Reply.error(403, "AccessDenied") if asked.path.endswith(".parquet") else None
    kinds = kinds_of(record_of("s3://b", *asked_as(server)))
    assert "a.parquet" in kinds[".parquet"]["note"]
    assert kinds[".jsonl"]["num_samples"] == 1


class Web(ThreadingHTTPServer):
    """A server whose index has many files, or no end of folders without any."""

    daemon_threads = True

    def __init__(self, *, num_files: int) -> None:
        super().__init__(("127.0.0.1", 0), WebHandler)
        self.num_files = num_files
        self.num_requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data/"


class WebHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def log_message(self, *_args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.num_requests += 1
        num_files = self.server.num_files
        is_page = self.path.endswith("/")
        names = [f"{n:05}.txt" for n in range(num_files)] or [f"{self.server.num_requests}{n}/" for n in range(3)]
        page = f"<html><head><title>Index of {self.path}</title></head><body><pre>"
        page += "".join(f'<a href="{name}">{name}</a>\n' for name in names)
        body = f"{page}</pre></body></html>".encode() if is_page else b"a line\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if is_page else "text/plain")
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.mark.parametrize("num_files", [0, 3000])
def test_a_web_server_is_not_asked_for_more_than_was_said(num_files: int) -> None:
    with Web(num_files=num_files) as web:
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        done = penstock("inspect", web.url, "--max-requests", "100")
        web.shutdown()
    assert web.num_requests <= 120
    if num_files:
        assert done.returncode == 0, done.stderr
        assert "the listing was not read to its end" in done.stdout
        assert "a line" in done.stdout
    else:
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
