"""What a listing takes of memory, by the most that its process ever had."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.formats.streams.whole import CHUNK_BYTES
from penstock.tasks.indexing import LARGE_AT_ONCE
from penstock.units import MIB


def _lines(path: Path) -> None:
    path.write_text((json.dumps({"text": "lorem ipsum " * 200}) + "\n") * 3400)


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for number in range(320):
            member = tarfile.TarInfo(f"{number:04}.jpg")
            member.size = 25_000
            archive.addfile(member, io.BytesIO(bytes(member.size)))


LIST = """
import re, sys
from penstock.cli import main
assert main(sys.argv[1:]) == 0
print(re.search("VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
"""


def _most_bytes(folder: Path, kind: str) -> int:
    words = ["--source", str(folder), "--task", "objects", "--option", f"format={kind}", "--split", "1,0,0"]
    files = ["--manifest", str(folder.parent / "m.parquet"), "--plan", str(folder.parent / "p.json")]
    command = [sys.executable, "-c", LIST, "list", *words, *files]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(told.split()[-1]) << 10


@pytest.mark.parametrize(("kind", "make"), [("jsonl", _lines), ("tar", _tar)])
def test_a_listing_of_many_files_takes_what_it_reads_at_a_time(
    kind: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    first = folder / f"00.{kind}"
    make(first)
    of_one = _most_bytes(folder, kind)
    for number in range(1, 32):
        os.link(first, folder / f"{number:02}.{kind}")
    of_many = _most_bytes(folder, kind)
    print(f"{kind}: {of_one >> 20} MiB of one file, {of_many >> 20} MiB of 32")
    assert of_many < of_one + LARGE_AT_ONCE * CHUNK_BYTES + 24 * MIB
