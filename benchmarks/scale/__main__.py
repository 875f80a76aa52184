"""``python -m benchmarks.scale``: list and read manifests of 1, 3 and 10 million objects, and write the report."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine
from benchmarks.scale.report import write_report
from benchmarks.scale.server import BUCKET, PREFIX

CHUNKS = ((1024, 3), (65_536, 8), (262_144, 3))
"""Rows of a chunk, and chunks that are taken."""


@contextlib.contextmanager
def serving(num_objects: int) -> Iterator[str]:
    """Serve a computed bucket; give the server's address."""
    words = [sys.executable, "-m", "benchmarks.scale.server", str(num_objects)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def measure_listing(num_objects: int, folder: Path) -> dict[str, Any]:
    """List once; the manifest lies in the folder then."""
    with serving(num_objects) as url:
        words = [sys.executable, "-m", "penstock", "list", "--source", f"s3://{BUCKET}/{PREFIX}", "--task", "objects"]
        words += ["--endpoint-url", url, "--region", "us-east-1", "--anonymous"]
        words += ["--manifest", str(folder / "manifest.parquet"), "--plan", str(folder / "plan.json")]
        load, started = os.getloadavg()[0], time.monotonic()
        process = subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"penstock list of {num_objects} objects ended with {process.returncode}")
    return {
        "num_objects": num_objects,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "wall_seconds": time.monotonic() - started,
        "peak_bytes": used.ru_maxrss * 1024,
        "manifest_bytes": (folder / "manifest.parquet").stat().st_size,
        "load_average": load,
    }


def measure_reading(manifest: Path, chunk_rows: int, num_chunks: int) -> dict[str, Any]:
    """Take chunks of a shuffled epoch."""
    words = [sys.executable, "-m", "benchmarks.scale.reading", str(manifest), str(chunk_rows), str(num_chunks)]
    done = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def num_samples(manifest: Path) -> int:
    """Ask a manifest, in a process of its own: this one stays small, since a child's peak begins with its parent's."""
    words = "import sys, pyarrow.parquet as p; print(p.read_metadata(sys.argv[1]).num_rows)"
    done = subprocess.run([sys.executable, "-c", words, str(manifest)], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--objects", default="1000000,3000000,10000000", metavar="N,N", help="sizes of the buckets")
    parser.add_argument("--reports", type=Path, default=REPORTS, metavar="FOLDER", help="where the report goes")
    args = parser.parse_args()
    raw: dict[str, Any] = {"machine": machine("benchmarks.scale"), "runs": []}
    for num_objects in map(int, args.objects.split(",")):
        with tempfile.TemporaryDirectory(prefix="penstock-scale-") as folder:
            run = measure_listing(num_objects, Path(folder))
            manifest = Path(folder, "manifest.parquet")
            run["num_samples"] = num_samples(manifest)
            run["reading"] = [measure_reading(manifest, *chunks) for chunks in CHUNKS]
            raw["runs"].append(run)
            sys.stderr.write(json.dumps(run) + "\n")
        path = save(raw, args.reports)
    sys.stdout.write(f"{path}\n")


def save(raw: dict[str, Any], folder: Path) -> Path:
    """Write the report of what was measured so far, and its raw figures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    path = folder / f"scale_{cpu_slug(str(raw['machine']['cpu']))}_{day}.md"
    path.write_text(write_report(raw))
    path.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    return path


if __name__ == "__main__":
    main()
