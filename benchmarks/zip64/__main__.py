"""Measure what members of a ZIP64 file above 4 GiB with 100,000 of them cost: bytes, memory, time.

python -m benchmarks.zip64     # about a minute; the file is sparse and takes 30 MB; writes a dated report
"""

from __future__ import annotations

import argparse
import datetime
import json
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine, plain_options
from benchmarks.common.processes import usual_environment
from benchmarks.common.proctree import TreeSampler
from benchmarks.resume.server import Served, serving

WANTED = "*/*7???.bin"
MOST_SHARE = 1.1
"""Of the members' own bytes, that are read."""


def make(path: Path, count: int, size: int) -> None:
    """Write a file of members of zeros that are not packed; their bytes are holes."""
    crc = zlib.crc32(bytes(size))
    entries = []
    with path.open("wb") as file:
        for number in range(count):
            name, at = b"%08d.bin" % number, file.tell()
            file.write(b"PK\3\4" + struct.pack("<HHHHHLLLHH", 45, 0, 0, 0, 33, crc, size, size, len(name), 0) + name)
            file.seek(size, 1)
            head = struct.pack("<HHHHHHLLLHH", 45, 45, 0, 0, 0, 33, crc, size, size, len(name), 12)
            entries.append(b"PK\1\2" + head + struct.pack("<HHHLL", 0, 0, 0, 0, 0xFFFFFFFF) + name)
            entries.append(struct.pack("<HHQ", 1, 8, at))
        begin, directory = file.tell(), b"".join(entries)
        end = struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), begin)
        locator = struct.pack("<LQL", 0, begin + len(directory), 1)
        file.write(directory + b"PK\6\6" + end + b"PK\6\7" + locator)
        file.write(b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))


def read(url: str, size: int, manifests: str, wanted: str) -> dict[str, Any]:
    """Read some members, in this process and its children."""
    import penstock

    begun, count, right, empty = time.perf_counter(), 0, True, bytes(size)
    dataset = penstock.zip(url, by="member").where(wanted)
    with dataset.loader(16, window="64Mi", epochs=1, collate=list, manifest_folder=manifests) as loader:
        for batch in loader:
            count += len(batch)
            right = right and all(value == empty for value in batch)
    return {"count": count, "right": right, "seconds": time.perf_counter() - begun}


def _child(served: Served, url: str, size: int, manifests: Path, wanted: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.zip64", "--read", json.dumps([url, size, str(manifests), wanted])]
    served.sent.clear()
    process = subprocess.Popen(
        words, cwd=REPOSITORY, env=usual_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    with TreeSampler(process.pid, str(manifests)) as sampler:
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"reading ended with {process.returncode}")
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found | {"wanted": wanted, "sent_bytes": served.sent_bytes(), "peak_bytes": sampler.peak_pss_bytes}


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    rows = [["members", "of", "their bytes", "read", "by their bytes", "seconds", "peak memory", "right"]]
    for told in raw["runs"]:
        own = told["count"] * raw["options"]["size"]
        rows.append(
            [
                told["wanted"],
                f"{told['count']}",
                f"{own / 1e6:.1f} MB",
                f"{told['sent_bytes'] / 1e6:.1f} MB",
                f"{told['sent_bytes'] / own:.3f}",
                f"{told['seconds']:.1f}",
                f"{told['peak_bytes'] / markdown.MIB:.0f} MiB",
                "yes" if told["right"] else "no",
            ]
        )
    text = [
        "# Members of a ZIP64 file",
        "",
        f"One file of {raw['options']['count']:,} members of {raw['options']['size']:,} bytes, "
        f"{raw['size_bytes'] / 1e9:.2f} GB, "
        'on a web server that counts what it sends; read by `penstock.zip(url, by="member").where(...)`. The first '
        "row lists, which reads the central directory, and reads the members; the second takes the manifest that was "
        "kept. Memory is of all processes together (PSS).",
        "",
        *markdown.table(rows),
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zip64", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=45_000, metavar="BYTES", help="of a member")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    parser.add_argument("--read", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        sys.stdout.write(f"\n{json.dumps(read(*json.loads(options.read)))}\n")
        return 0
    about = machine("benchmarks.zip64")
    raw: dict[str, Any] = {"machine": about, "options": plain_options(vars(options)), "runs": []}
    with tempfile.TemporaryDirectory(prefix="penstock-zip64-", dir=options.work) as made:
        folder = Path(made)
        (folder / "served").mkdir()
        make(folder / "served/one.zip", options.count, options.size)
        raw["size_bytes"] = (folder / "served/one.zip").stat().st_size
        with serving(folder / "served") as served:
            for wanted in (WANTED, WANTED):
                told = _child(served, f"{served.url}/one.zip", options.size, folder / "manifests", wanted)
                raw["runs"].append(told | {"load_average": about["load_average_1_minute"]})
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"zip64_{cpu_slug(str(about['cpu']))}_{day}.md"
    path.write_text(render(raw))
    sys.stderr.write(f"report: {path}\n")
    own = [told["count"] * options.size for told in raw["runs"]]
    good = all(
        told["right"] and told["sent_bytes"] <= MOST_SHARE * size for told, size in zip(raw["runs"], own, strict=True)
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
