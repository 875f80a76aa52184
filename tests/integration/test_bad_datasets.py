"""What lies about itself, or is not what was asked for, is one line with the exit code of its class, by either face."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.cli import main
from penstock.errors import PenstockError
from support.images import write_labelled

pytestmark = pytest.mark.usefixtures("children_are_forked")

RANDOM = np.random.default_rng(0).bytes(4000)


def parquet(change: Callable[[bytes, int], bytes] = lambda data, footer: data) -> bytes:
    """Return a file of two row groups, changed; ``footer`` is the footer's length."""
    out = io.BytesIO()
    pq.write_table(pa.table({"label": list(range(100)), "text": ["x" * 50] * 100}), out, row_group_size=50)
    data = out.getvalue()
    return change(data, struct.unpack("<I", data[-8:-4])[0])


def tar(place: int = 0, put: bytes = b"", end: int | None = None) -> bytes:
    """Return an archive of four samples, changed in its first header, whose checksum is mended, or cut."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(4):
            for name in ("jpg", "cls"):
                member = tarfile.TarInfo(f"{number}.{name}")
                member.size = 10
                archive.addfile(member, io.BytesIO(b"0123456789"))
    data = bytearray(out.getvalue())
    data[place : place + len(put)] = put
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data[:end])


FILES = {
    "whole/x.parquet": parquet(),
    "cut/x.parquet": parquet(lambda data, footer: data[:-20]),
    "long/x.parquet": parquet(lambda data, footer: data[:-8] + struct.pack("<I", 10**8) + b"PAR1"),
    "noise/x.parquet": parquet(lambda data, footer: data[: -8 - footer] + RANDOM[:footer] + data[-8:]),
    "tars/x.tar": tar(),
    "size/x.tar": tar(124, b"77777777777\0"),
    "short/x.tar": tar(end=1500),
    "packed/x.tar": b"\x1f\x8b" + RANDOM,
    "random/x.tar": RANDOM,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bad")
    for place, data in FILES.items():
        path = made / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    write_labelled(made / "images", 20)
    for number in range(5):
        (made / "images" / "images" / f"more-{number}.png").write_bytes(b"x")
    table = (made / "images" / "labels.tsv").read_text()
    (made / "images" / "rows.tsv").write_text(
        table + "".join(f"{name}\tplain\tp9\n" for name in ("none-1.png", "none-2.png", "more-0.png"))
    )
    return made


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("parquet s4://b/x", {}, 2, "there is no scheme 's4'"),
    ("parqet whole", {}, 2, "there is no format 'parqet': did you mean 'parquet'?"),
    ("parquet whole", {"columns": ["lable"]}, 2, "x.parquet has no column 'lable': did you mean 'label'?"),
    ("parquet whole", {"colums": ["label"]}, 2, "has no option 'colums': did you mean 'columns'?"),
    ("parquet whole", {"memory": "1Mi", "columns": ["text"]}, 0, ""),
    ("parquet whole", {"memory": 20}, 30, "row group 0 of x.parquet takes"),
    ("parquet cut", {}, 32, "x.parquet: it is no Parquet file"),
    ("parquet long", {}, 32, "its footer is said to have 100000000 bytes"),
    ("parquet noise", {}, 32, "x.parquet: its footer cannot be read"),
    ("tar tars", {"sample": ["jpeg"]}, 2, "no sample in x.tar has 'jpeg'"),
    ("tar size", {}, 31, "'0.jpg', which is said to have 8589934591 bytes"),
    ("tar short", {}, 31, "x.tar has 1500 bytes and ends within"),
    ("tar packed", {}, 30, "x.tar cannot be unpacked"),
    ("tar random", {}, 32, "x.tar is no TAR file"),
    ("images images", {"labels": "labels.tsv"}, 34, "5 of 25 images have no label, images/more-"),
    ("images images", {"labels": "rows.tsv", "unmatched-share": 0.05}, 30, "2 of the 23 rows of rows.tsv have no"),
    ("images images", {"labels": "rows.tsv", "unmatched-share": 0.2}, 0, ""),
    ("images images", {"labels": "labels.tsv", "label-column": "lable"}, 2, "has no column 'lable'"),
    ("images images", {"labels": "lables.tsv"}, 24, "did you mean labels.tsv?"),
]  # fmt: skip


def by_python(kind: str, source: str, options: dict[str, Any]) -> penstock.Dataset:
    if kind != "images":
        return penstock.of_format(kind, source, options=options)
    arguments = {name.removesuffix("-column").replace("-", "_"): value for name, value in options.items()}
    return penstock.images(source, **arguments)


def by_command(kind: str, source: str, options: dict[str, Any], out: Path) -> list[str]:
    words = ["list", "--source", source, "--manifest", f"{out}/m", "--plan", f"{out}/p", "--split", "1,0,0"]
    if kind == "images":
        given = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
        return [*words, "--task", kind, *given]
    as_json = str(options).replace("'", '"')
    return [*words, "--task", "objects", "--option", f"format={kind}", "--option", f"format_options={as_json}"]


@pytest.mark.parametrize(("asked", "options", "code", "told"), BAD)
def test_both_faces_say_the_same_in_one_line(
    folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    asked: str,
    options: dict[str, Any],
    code: int,
    told: str,
) -> None:
    kind, place = asked.split()
    source = place if "://" in place else str(folder / place)
    assert main(by_command(kind, source, options, tmp_path)) == code
    lines = [line for line in capfd.readouterr().err.splitlines() if ": error: " in line]
    if not code:
        assert by_python(kind, source, options).manifest().num_samples > 0
        return
    (line,) = lines
    with pytest.raises(PenstockError) as caught:
        by_python(kind, source, options).manifest()
    assert caught.value.exit_code == code
    assert told in line
    assert told in str(caught.value)
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_group_that_the_window_does_not_hold_is_told_with_the_window_that_would(folder: Path) -> None:
    loader = penstock.parquet(folder / "whole").loader(4, window="2Ki")
    with (
        pytest.raises(PenstockError, match=r"a window of 2\.0 KiB cannot hold .* pass window of at least") as caught,
        loader,
    ):
        next(iter(loader))
    assert caught.value.exit_code == 4
