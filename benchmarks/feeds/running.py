"""Making datasets and running cells, each in a process of its own, round after round."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.feeds.cellspec import CellResult, CellSpec, DataSpec, decode_result, encode
from benchmarks.feeds.contenders import CONTENDERS, OWN_ENVIRONMENT
from benchmarks.feeds.environment import ERROR_CHARACTERS, REPOSITORY, Peers
from benchmarks.feeds.proctree import TreeSampler

GRACE_SECONDS = 60
LAYOUT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one cell: its result, or the error that it ended with."""

    contender: str
    sample_bytes: int
    latency_seconds: float
    limit_bytes: int
    round: int
    load_average: float
    result: CellResult | None = None
    right: bool = False
    error: str = ""
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    peak_disk_bytes: int = 0
    peak_processes: int = 0

    def plain(self) -> dict[str, Any]:
        """Give it as JSON's types."""
        return dataclasses.asdict(self)


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-12:])[-ERROR_CHARACTERS:]


def make_layouts(data: DataSpec, layouts: Sequence[str], peers: Peers) -> dict[str, str]:
    """Make the packed layouts of a dataset; gives the error of each that could not be made."""
    errors = {}
    for layout in layouts:
        if layout == "plain" or (data.folder / layout).exists():
            continue
        if peers.python is None:
            errors[layout] = f"the peers' environment could not be made: {peers.error}"
            continue
        words = [peers.python, "-m", "benchmarks.feeds.layouts", layout, json.dumps(dataclasses.asdict(data))]
        scratch = Path(data.root) / "scratch"
        done = _run(words, scratch, seconds=LAYOUT_SECONDS)
        shutil.rmtree(scratch, ignore_errors=True)
        if done.returncode:
            errors[layout] = _tail(done.stderr)
    return errors


@contextlib.contextmanager
def _process(words: Sequence[str], scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process whose home and temporary files are its own; what is left of it is killed in the end."""
    (scratch / "tmp").mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "HF_HOME": str(scratch / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "LITDATA_DISABLE_VERSION_CHECK": "1",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
    process = subprocess.Popen(
        words,
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _run(words: Sequence[str], scratch: Path, *, seconds: float) -> subprocess.CompletedProcess[str]:
    with _process(words, scratch) as process:
        return _finish(process, words, seconds=seconds)


def _finish(
    process: subprocess.Popen[str], words: Sequence[str], *, seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        err += f"\nkilled: it had not ended after {seconds:.0f} s"
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def run_cell(cell: CellSpec, *, number: int, peers: Peers) -> Run:
    """Measure one cell once."""
    about: dict[str, Any] = {
        "contender": cell.contender,
        "sample_bytes": cell.data.sample_bytes,
        "latency_seconds": cell.latency_seconds,
        "limit_bytes": cell.limit_bytes,
        "round": number,
        "load_average": os.getloadavg()[0],
    }
    python = sys.executable if cell.contender in OWN_ENVIRONMENT else peers.python
    if python is None:
        return Run(**about, error=f"the peers' environment could not be made: {peers.error}")
    scratch = Path(cell.cache)
    words = [python, "-m", "benchmarks.feeds.cell", encode(cell)]
    with _process(words, scratch) as process, TreeSampler(process.pid, str(scratch)) as sampler:
        done = _finish(process, words, seconds=cell.max_seconds + GRACE_SECONDS)
    shutil.rmtree(scratch, ignore_errors=True)
    about |= {
        "peak_rss_bytes": sampler.peak_rss_bytes,
        "peak_pss_bytes": sampler.peak_pss_bytes,
        "peak_disk_bytes": sampler.peak_disk_bytes,
        "peak_processes": sampler.peak_processes,
    }
    if done.returncode:
        return Run(**about, error=_tail(done.stderr) or f"ended with code {done.returncode} and no word")
    result = decode_result(done.stdout.strip().splitlines()[-1])
    right = result.stopped or (
        result.num_samples == cell.data.num_samples
        and result.num_bytes == cell.data.num_samples * cell.data.sample_bytes
        and (not result.checked or result.total == cell.data.total)
    )
    return Run(**about, result=result, right=right)


def interleave(cells: Sequence[CellSpec], *, num_rounds: int) -> Iterator[tuple[int, CellSpec]]:
    """Give every cell once a round, in another order each round."""
    for number in range(num_rounds):
        order = list(cells)
        random.Random(number).shuffle(order)
        for cell in order:
            yield number, cell


def layouts_of(names: Sequence[str]) -> list[str]:
    """Give the layouts that contenders read."""
    return sorted({CONTENDERS[name].layout for name in names})
