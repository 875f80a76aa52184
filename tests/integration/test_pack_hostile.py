"""What `penstock pack` does where a place, a source or another packer is not what it should be."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.cli import command, penstock, succeed
from support.small_s3 import Asked, Reply, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Lines of JSON, a shard a file of 400 bytes."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        lines = [json.dumps({"id": number * 10 + row, "text": "x" * 30}) for row in range(10)]
        (folder / f"{number:02}.jsonl").write_text("\n".join(lines))
    return folder


def words(to: str) -> list[str]:
    return ["--format", "jsonl", "--to", to, "--shard-size", "600"]


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", ["tar", "parquet", "mds"])
def test_killed_at_any_shard_it_is_gone_on_with_and_nothing_is_left_beside(
    source: Path, tmp_path: Path, to: str
) -> None:
    succeed("pack", source, "--into", tmp_path / "clean", *words(to))
    for number in (0, 3, 7):
        asked = command("pack", source, "--into", tmp_path / "out", *words(to))
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(number + 1):
                process.stdout.readline()
            process.kill()
    (tmp_path / "out" / f".shard-000011.{to}.{'0' * 32}.tmp").write_bytes(b"half")
    (tmp_path / "out" / "_pack" / f".shard-000011.json.{'0' * 32}.tmp").write_bytes(b"half")
    succeed("pack", source, "--into", tmp_path / "out", *words(to))
    assert files(tmp_path / "out") == files(tmp_path / "clean")


def test_a_dataset_of_a_file_that_is_killed_is_gone_on_with(source: Path, tmp_path: Path) -> None:
    """Its columns and verbs are in the shards that were there already and in those of later commands alike."""
    file = tmp_path / "d.yaml"
    file.write_text(f"format: jsonl\nsource: {source}\nrename: {{text: words}}\n")
    said = ["pack", "--dataset", file, "--to", "parquet", "--shard-size", "600", "--into"]
    succeed(*said, tmp_path / "clean")
    for number in (0, 4):
        with subprocess.Popen(command(*said, tmp_path / "out"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(number + 1)]
            process.kill()
        assert told[-1].startswith("shard-")
    there = sorted(files(tmp_path / "out"))
    assert 0 < len(there) < len(files(tmp_path / "clean")), there
    assert "was there" in succeed(*said, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "clean")


def test_two_packers_of_one_part_make_what_one_makes(source: Path, tmp_path: Path) -> None:
    succeed("pack", source, "--into", tmp_path / "clean", *words("parquet"))
    asked = command("pack", source, "--into", tmp_path / "out", *words("parquet"))
    both = [subprocess.Popen(asked, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL) for _ in range(2)]
    ended = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert files(tmp_path / "out") == files(tmp_path / "clean")


@pytest.mark.parametrize(("to", "name"), [("tar", "shard-000000.tar"), ("parquet", "shard-000001.parquet")])
def test_what_is_there_and_was_not_packed_is_not_written_over(source: Path, tmp_path: Path, to: str, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"mine")
    done = penstock("pack", source, "--into", out, *words(to))
    assert done.returncode == 2
    assert f"{name} is there, and is none that was packed" in done.stderr
    assert (out / name).read_bytes() == b"mine"


def test_an_index_of_other_shards_is_not_written_over(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.json").write_text("{}")
    done = penstock("pack", source, "--into", out, *words("mds"))
    assert done.returncode == 2
    assert "index.json is there, of shards that were not packed here" in done.stderr
    assert list(files(out)) == ["index.json"]


def test_a_dataset_below_the_place_of_its_shards_is_refused(source: Path, tmp_path: Path) -> None:
    done = penstock("pack", source, "--into", tmp_path, *words("tar"))
    assert done.returncode == 2
    assert "where it would be among the shards" in done.stderr
    assert not list(tmp_path.glob("shard-*"))


def test_shards_that_no_store_takes_at_once_are_refused(source: Path, tmp_path: Path) -> None:
    done = penstock("pack", source, "--into", tmp_path / "out", "--shard-size", "6Gi")
    assert done.returncode == 2
    assert "stores take no more than 4.0 GiB at once" in done.stderr


def test_advice_names_options_that_the_command_has(source: Path, tmp_path: Path) -> None:
    done = penstock("pack", source, "--into", tmp_path / "out", "--match", "*.nope")
    assert done.returncode == 22
    assert "choose another pattern with --match" in done.stderr
    assert "--option" not in done.stderr


def test_credentials_that_may_not_write_are_told_before_anything_is_read(source: Path) -> None:
    with small_s3(is_open=True) as server:
        server.takeover = lambda asked: Reply.error(403, "AccessDenied") if asked.method == "PUT" else None
        into = ("--into", "s3://out/p", "--into-endpoint-url", server.url)
        done = penstock("pack", source, *into, *words("mds"), environment=KEYS)
        assert done.returncode not in (0, 1)
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "s3:PutObject" in done.stderr
        assert not server.objects


def test_an_object_that_changes_after_it_was_listed_ends_the_command(tmp_path: Path) -> None:
    with small_s3(is_open=True) as server:
        for number in range(4):
            server.objects[f"in/{number}.bin"] = b"%d" % number * 500

        def change(asked: Asked) -> Reply | None:
            if asked.method == "GET" and asked.path.endswith("2.bin"):
                server.objects["in/2.bin"] = b"other" * 100
            return None

        server.takeover = change
        where = ("--endpoint-url", server.url, "--region", "us-east-2", "--anonymous")
        done = penstock("pack", "s3://in", "--into", tmp_path / "out", *where, "--shard-size", "600")
        assert done.returncode not in (0, 1), done.stdout
        assert "2.bin" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out/shard-000002.tar").exists()


@pytest.mark.parametrize("to", ["tar", "parquet", "mds"])
def test_samples_without_a_field_are_refused_and_nothing_is_written(tmp_path: Path, to: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text("{}\n{}\n")
    done = penstock("pack", tmp_path / "in", "--into", tmp_path / "out", *words(to))
    assert done.returncode == 2
    assert "0000000000 has nothing to be written" in done.stderr
    assert not files(tmp_path / "out")


@pytest.mark.parametrize("to", ["tar", "parquet", "mds"])
@pytest.mark.parametrize("at", [0, -5, 300])
def test_a_shard_that_cannot_be_read_back_is_removed(source: Path, to: str, at: int) -> None:
    with small_s3(is_open=True) as server:

        def spoil(asked: Asked) -> Reply | None:
            name = asked.path.lstrip("/")
            if asked.method != "GET" or asked.query or not name.endswith(f"shard-000000.{to}"):
                return None
            data = bytearray(server.objects[name])
            data[at] ^= 0xFF
            return Reply(body=bytes(data))

        server.takeover = spoil
        server.objects["out/x"] = b""
        into = ("--into", "s3://out/p", "--into-endpoint-url", server.url)
        done = penstock("pack", source, *into, *words(to), environment=KEYS)
        assert done.returncode == 50, done.stderr
        assert not any("shard-000000" in name for name in server.objects)


def test_advice_on_an_option_tells_its_default_as_the_help_does(source: Path, tmp_path: Path) -> None:
    done = penstock("pack", source, "--into", tmp_path / "out", "--options", '{"to": 1}')
    assert done.returncode == 2
    assert "see --to: what shards are (default: tar)" in done.stderr
