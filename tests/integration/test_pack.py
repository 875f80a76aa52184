"""What `penstock pack` writes: the samples that were there, whole, once, wherever it was stopped."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as library
from support.cli import command, penstock, succeed
from support.small_s3 import Asked, Reply, SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as state:
        yield state


def asked_as(server: SmallS3) -> list[str]:
    return ["--endpoint-url", server.url, "--region", "us-east-2", "--anonymous"]


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def pairs(count: int) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    found = {f"d/{number:03}.bin": rng.bytes(1000 + number) for number in range(count)}
    return found | {f"d/{number:03}.cls": b"%d" % number for number in range(count)}


def members(folder: Path) -> dict[str, bytes]:
    """Return the members of all shards, by plain tarfile."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as file:
            for member in file:
                body = file.extractfile(member)
                assert member.name not in found
                assert body is not None
                found[member.name] = body.read()
    return found


def table(num_rows: int) -> bytes:
    made = io.BytesIO()
    columns = {
        "text": [f"row {number} ü" for number in range(num_rows)],
        "label": list(range(num_rows)),
        "score": [number / 3 for number in range(num_rows)],
        "vector": [[float(number)] * 3 for number in range(num_rows)],
        "image": [{"bytes": b"\xff\xd8" + bytes([number]), "path": f"{number}.jpg"} for number in range(num_rows)],
    }
    pq.write_table(pa.table(columns), made, row_group_size=10)
    return made.getvalue()


def test_files_become_members_of_their_names_and_files_of_a_stem_stay_together(tmp_path: Path) -> None:
    files = pairs(40) | {"no-extension": b"x", "d/empty-beside.cls": b"1", "e/" + "long" * 40 + "ü.txt": b"text"}
    told = succeed("pack", write(tmp_path / "in", files), "--into", tmp_path / "out", "--shard-size", "10k")
    found = members(tmp_path / "out")
    assert {name: data for name, data in files.items() if name != "no-extension"}.items() <= found.items()
    assert b"x" in found.values()
    assert len(found) == len(files)
    assert len(list((tmp_path / "out").glob("*.tar"))) > 3
    assert "written and verified" in told
    loader = library.tar(tmp_path / "out").loader(8, collate=list)
    seen = [sample["__key__"] for batch in loader for sample in batch]
    assert len(seen) == len(set(seen)) == 43


def test_rows_become_members_that_mean_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.parquet": table(25), "b.parquet": table(7)})
    succeed("pack", folder, "--into", tmp_path / "out", "--format", "parquet", "--shard-size", "1k")
    found = members(tmp_path / "out")
    assert len(found) == 32 * 6
    assert found["0000000026.text"] == "row 1 ü".encode()
    assert json.loads(found["0000000026.score.json"]) == 1 / 3
    assert found["0000000026.label.cls"] == b"1"
    assert np.load(io.BytesIO(found["0000000026.vector.npy"])).tolist() == [1.0] * 3
    assert found["0000000026.image.bytes"] == b"\xff\xd8\x01"


def test_arrays_are_read_by_row_and_by_plain_numpy(tmp_path: Path) -> None:
    made = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array(np.arange(50, dtype=np.float32)), "y": range(50)}), made, row_group_size=10)
    folder = write(tmp_path / "in", {"a.parquet": made.getvalue()})
    words = ("--format", "parquet", "--to", "arrays", "--shard-size", "200")
    succeed("pack", folder, "--into", tmp_path / "out", *words)
    xs: list[float] = []
    for path in sorted((tmp_path / "out").glob("*.safetensors")):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        told: dict[str, Any] = json.loads(data[8 : 8 + length])["x"]
        first, end = told["data_offsets"]
        xs += np.frombuffer(data[8 + length + first : 8 + length + end], "<f4").reshape(told["shape"]).tolist()
    assert xs == list(range(50))
    loader = library.of_format("safetensors", tmp_path / "out", options={"by": "row"}, match="*.safetensors").loader(10)
    assert sorted(y for batch in loader for y in batch["y"].tolist()) == list(range(50))


def test_parts_side_by_side_make_what_one_makes(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", pairs(40))
    succeed("pack", folder, "--into", tmp_path / "one", "--shard-size", "10k")
    for part in (2, 3, 1):
        succeed("pack", folder, "--into", tmp_path / "three", "--shard-size", "10k", "--part", f"{part}/3")
    one, three = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.tar")} for name in ("one", "three")
    )
    assert one == three
    assert len(one) > 3
    told = succeed("pack", folder, "--into", tmp_path / "many", "--part", "7/9")
    assert "There is nothing to do for this part" in told


def test_what_is_there_is_not_made_again_and_what_is_cut_off_is(server: SmallS3) -> None:
    server.objects |= {f"in/{name}": data for name, data in pairs(40).items()}
    server.objects["out/x"] = b""
    words = ("s3://in", "--into", "s3://out/shards", "--into-endpoint-url", server.url, *asked_as(server))
    broken = 0

    def refuse(asked: Asked) -> Reply | None:
        nonlocal broken
        if asked.method == "PUT" and "shard-000002.tar" in asked.path:
            broken += 1
            return Reply.error(403, "AccessDenied")
        return None

    server.takeover = refuse
    done = penstock("pack", *words, "--shard-size", "10k", environment=KEYS)
    assert done.returncode != 0
    assert broken
    assert "Traceback" not in done.stderr
    assert "out/shards/_pack/shard-000001.json" in server.objects
    assert not any("shard-000002" in name for name in server.objects)
    server.takeover = lambda asked: None
    server.requests.clear()
    server.objects["out/shards/shard-000000.tar"] = b"cut off"
    done = penstock("pack", *words, "--shard-size", "10k", environment=KEYS)
    assert done.returncode == 0, done.stderr
    assert "shard-000001.tar: 9 samples" in done.stdout
    puts = [asked.path for asked in server.requests if asked.method == "PUT" and asked.path.endswith(".tar")]
    assert "/out/shards/shard-000000.tar" in puts
    assert "/out/shards/shard-000001.tar" not in puts
    found: dict[str, bytes] = {}
    for name, data in server.objects.items():
        if name.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(data)) as file:
                found |= {member.name: file.extractfile(member).read() for member in file}  # type: ignore[union-attr]
    assert found == pairs(40)


KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def test_a_shard_that_was_changed_on_its_way_is_no_success(server: SmallS3, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", pairs(4))

    def spoil(asked: Asked) -> Reply | None:
        if asked.method == "GET" and asked.path.endswith(".tar") and not asked.query:
            data = bytearray(server.objects[asked.path.lstrip("/")])
            data[700] ^= 1
            return Reply(body=bytes(data))
        return None

    server.takeover = spoil
    words = ("--into", "s3://out/p", "--into-endpoint-url", server.url)
    done = penstock("pack", folder, *words, environment=KEYS)
    assert done.returncode == 50, done.stderr
    assert "does not hold the samples" in done.stderr
    assert not any(name.startswith("out/p/shard") or "_pack" in name for name in server.objects)


def test_another_packing_is_not_mixed_with_what_is_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", pairs(8))
    succeed("pack", folder, "--into", tmp_path / "out")
    for words in (("--shard-size", "1k"), ("--match", "*.cls"), ("--format", "text", "--match", "*.cls")):
        done = penstock("pack", folder, "--into", tmp_path / "out", *words)
        assert done.returncode == 2
        assert "is of other samples, or was packed by other options" in done.stderr
    write(folder, {"d/003.cls": b"changed"})
    assert penstock("pack", folder, "--into", tmp_path / "out").returncode == 2


@pytest.mark.parametrize(
    ("files", "words", "told"),
    [
        ({"a.bin": b"x"}, ("--part", "0/2"), "write it like 1/4"),
        ({"a.bin": b"x"}, ("--part", "3/2"), "write it like 1/4"),
        ({"a.bin": b"x"}, ("--to", "arrays"), "arrays hold numbers alone"),
        ({"a.bin": b"x"}, ("--format", "zipp"), "zipp"),
        ({"a.JPG": b"x", "a.jpg": b"y"}, (), "differ in capitals"),
        ({"a.parquet": b"no table"}, ("--format", "parquet"), "a.parquet"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, files: dict[str, bytes], words: tuple[str, ...], told: str) -> None:
    done = penstock("pack", write(tmp_path / "in", files), "--into", tmp_path / "out", *words)
    assert done.returncode not in (0, 1), done.stderr
    assert told in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("find: ")]  # progress
    assert len(lines) == 1, done.stderr
    assert not list((tmp_path / "out").glob("shard*")) if (tmp_path / "out").exists() else True


def test_shards_are_not_written_into_what_is_packed(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.bin": b"x"})
    for into in (folder, folder / "shards"):
        done = penstock("pack", folder, "--into", into)
        assert done.returncode == 2
        assert "lies in the dataset" in done.stderr


def test_one_that_is_killed_is_gone_on_with_and_nothing_is_half_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", pairs(60))
    out = tmp_path / "out"
    words = command("pack", folder, "--into", out, "--shard-size", "5k")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.kill()
    assert first.startswith("shard-000000.tar")
    for path in out.glob("*.tar"):
        with tarfile.open(path) as file:
            assert file.getmembers()
    told = succeed("pack", folder, "--into", out, "--shard-size", "5k")
    assert "shard-000000.tar: 4 samples" in told
    assert "was there" in told
    assert members(out) == pairs(60)


def test_names_that_no_member_can_have_are_numbered_and_nothing_is_lost(tmp_path: Path) -> None:
    names = ("..x", ".hidden", "a b.c d", "__m__.txt", "noext", "a.b.c.d", "e.", "f..g", "x.TXT", "dir.d/y", "é.ü")
    files = {f"odd/{name}": name.encode() for name in names}
    succeed("pack", write(tmp_path / "in", files), "--into", tmp_path / "out")
    found = members(tmp_path / "out")
    assert sorted(found.values()) == sorted(files.values())
    assert found["odd/a b.c d"] == b"a b.c d"
    assert found["odd/x.txt"] == b"x.TXT"


@pytest.mark.parametrize("kind", ["jsonl.gz", "zip", "tar", "txt", "csv", "npy"])
def test_each_format_is_packed(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path / "in", {f"a.{kind}": SOURCES[kind]()})
    name = {"jsonl.gz": "jsonl", "txt": "text"}.get(kind, kind)
    succeed("pack", folder, "--into", tmp_path / "out", "--format", name, *PACK_WORDS.get(kind, ()))
    found = members(tmp_path / "out")
    assert {value for key, value in found.items() if key.startswith("0000000001")} == EXPECTED[kind]


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):
            file.writestr(f"{number}.txt", f"t{number}")
            file.writestr(f"{number}.cls", f"{number}")
    return made.getvalue()


def tarred() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for number in range(3):
            for name, data in (("txt", b"t%d" % number), ("seg.png", b"")):
                member = tarfile.TarInfo(f"{number}.{name}")
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
    return made.getvalue()


def saved(array: Any) -> bytes:
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


SOURCES = {
    "jsonl.gz": lambda: gzip.compress(b'{"m": [{"r": 1}], "i": 0}\n{"m": [], "i": 1}\n'),
    "zip": zipped,
    "tar": tarred,
    "txt": lambda: b"one\ntwo\n",
    "csv": lambda: b"a,b\n1,x\n2,y\n",
    "npy": lambda: saved(np.arange(6, dtype=np.int16).reshape(3, 2)),
}
PACK_WORDS = {"npy": ("--format-options", '{"by": "row"}')}
EXPECTED = {
    "jsonl.gz": {b"[]", b"1"},
    "zip": {b"t1", b"1"},
    "tar": {b"t1", b""},
    "txt": {b"two"},
    "csv": {b"2", b"y"},
    "npy": {saved(np.array([2, 3], np.int16))},
}


def test_what_a_file_describes_is_packed(tmp_path: Path) -> None:
    """Its part, its keys, its columns by their names: what ``penstock.open`` gives of it, in that order."""
    (tmp_path / "src").mkdir()
    for part in range(3):
        rows = {"id": [part * 10 + n for n in range(10)], "text": ["t"] * 10, "who": [f"p{n % 4}" for n in range(10)]}
        pq.write_table(pa.table(rows), tmp_path / "src" / f"{part}.parquet", row_group_size=4)
    said = f"format: parquet\nsource: {tmp_path / 'src'}\nwhere: '[01].parquet*'\ndrop: [who]\nrename: {{text: txt}}\n"
    file = tmp_path / "d.yaml"
    file.write_text(f"{said}split: {{valid: 0.3, by: who}}\npart: valid\n")
    words = ["pack", "--dataset", file, "--to", "parquet", "--into", tmp_path / "out"]
    assert "1 made now: 10 samples" in succeed(*words)
    with library.open(file).loader(4, shuffle=False) as loader:
        wanted = [{"id": n, "txt": t} for b in loader for n, t in zip(b["id"].tolist(), b["txt"], strict=True)]
    assert pq.read_table(tmp_path / "out").to_pylist() == wanted
    assert "0 made now" in succeed(*words)
    file.write_text(file.read_text().replace("txt", "words"))
    assert "packed by other options" in penstock(*words).stderr
    uri = ["pack", tmp_path / "src", "--into", tmp_path / "of_uri", "--format", "parquet", "--to", "mds"]
    file.write_text(f"format: parquet\nsource: {tmp_path / 'src'}\n")
    succeed(*uri)
    succeed("pack", "--dataset", file, "--into", tmp_path / "of_file", "--to", "mds")
    for path in (tmp_path / "of_uri").glob("*.mds"):
        assert path.read_bytes() == (tmp_path / "of_file" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("told", "words", "says"),
    [
        ("{mix: [{format: tar, source: a}, {format: tar, source: b}]}", [], "describes a mix, .*: pack its members"),
        ("{task: table, source: a, target: x}", [], "samples of the task table"),
        ("{format: tar, source: a, transform: 'os:fspath'}", [], "transform"),
        ("{format: tar, source: a, pack: {length: 8}}", [], "pack in a file that a step reads"),
        ("{format: tar, source: a, split: {valid: 0.2}}", [], "none is named"),
        ("{format: tar, source: a}", ["--format", "tar"], "--format is given, and --dataset too"),
        ("{format: tar, source: a}", ["a"], "a URI is given, and --dataset too"),
        ("{format: tarr, source: a}", [], "there is no format 'tarr'"),
        ("", [], "nothing to pack: give a dataset's URI, or --dataset"),
    ],
)
def test_what_cannot_be_packed_of_a_file_is_told(tmp_path: Path, told: str, words: list[str], says: str) -> None:
    done = penstock("pack", *words, "--dataset", f"{told}\n" if told else "", "--into", tmp_path / "out")
    assert done.returncode == 2
    assert re.search(says, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
