"""A cell: what is forecast before it, by the command, and what the run then took, by its records."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.machine import REPOSITORY
from benchmarks.common.processes import run, tail
from benchmarks.forecast.cells import SPLIT_SHARE, Cell, Data
from benchmarks.forecast.loop import Looping, told_by
from benchmarks.forecast.subject import NAME, SECONDS_VARIABLE
from penstock.records import Evaluation, RunRecord, StepRecord, read_record

__all__ = ["Failed", "Place", "Starts", "make_run"]

RUN_SECONDS = 300
PROBE_SECONDS = 3.0
WAY = "window"


class Failed(Exception):
    """A command of a cell did not do what it should; the text is what it said."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cell's data lies, and where it is worked.

    Attributes:
        site: folder on ``PYTHONPATH`` that declares the task.
        records: folder of the records that later cells' forecasts stand on.
    """

    uri: str
    endpoint_url: str
    folder: Path
    site: Path
    records: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Starts:
    """What a run of nearly nothing, over no link, took before.

    Attributes:
        run: seconds of ``penstock run`` in which it did not compute: imports, prefetchers, checkpoints.
        loop: the same, of a loop.
        step: seconds of a step of ``penstock run``, beside those of its samples.
    """

    run: float = 0.0
    loop: float = 0.0
    step: float = 0.0


def make_run(cell: Cell, data: Data, place: Place, starts: Starts) -> dict[str, Any]:
    """Forecast a cell, and make its run; gives both, by the same names.

    Raises:
        Failed: a command did not end well.
    """
    sample_seconds = cell.computing * data.sample_bytes / cell.link_bytes_per_second
    place.folder.mkdir(parents=True)
    try:
        work = _Work(cell, data, place, sample_seconds)
        forecast = work.forecast(starts)
        actual = work.run() if cell.face == "run" else work.loop()
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)
    return {"sample_seconds": sample_seconds, "command": work.told, "forecast": forecast, "actual": actual}


class _Work:
    def __init__(self, cell: Cell, data: Data, place: Place, sample_seconds: float) -> None:
        self._cell, self._data, self._place, self._sample_seconds = cell, data, place, sample_seconds
        self._window_bytes = int(cell.share * data.size_bytes)
        self._manifest, self._plan = place.folder / "manifest.parquet", place.folder / "plan.json"
        self._reach = ["--endpoint-url", place.endpoint_url, "--anonymous", "true"]
        split = ",".join(map(str, SPLIT_SHARE))
        self._source = ["--source", place.uri, *self._reach, "--task", NAME, "--split", split]
        self._batch_samples = cell.batch_samples or data.batch_samples
        self.told = ""

    def forecast(self, starts: Starts) -> dict[str, Any]:
        """Ask for a forecast of the run that has not been made."""
        cell, number = self._cell, self._data.num_samples
        start_seconds = starts.run if cell.face == "run" else starts.loop
        words = ["forecast", "--window-size", str(self._window_bytes), "--epochs", str(cell.epochs), "--json"]
        if cell.face == "run":
            self._penstock("list", *self._source, "--manifest", self._manifest, "--plan", self._plan)
            words += ["--manifest", str(self._manifest), "--plan", str(self._plan)]
        else:
            words += [self._place.uri, *self._reach, "--at-once", str(self._batch_samples)]
        if cell.basis == "record":
            earlier = self._place.records / cell.earlier
            start_seconds = _outside_epochs(read_record(earlier / "run.json", RunRecord))
            words += ["--measured", str(earlier), "--latency", f"{cell.latency_seconds:g}s"]
        else:
            words += ["--startup", f"{start_seconds:.2f}s"]
            if cell.face == "run":
                step_seconds = starts.step / self._batch_samples
                words += ["--samples-per-second", repr(1 / (self._sample_seconds + step_seconds))]
            else:
                words += ["--compute-hours", repr(number * self._sample_seconds / 3600)]
        if cell.basis == "stated":
            words += ["--rate", f"{cell.link_bytes_per_second / 1e6:g}MB/s"]
            words += ["--latency", f"{cell.latency_seconds:g}s"]
        if cell.basis == "probe":
            words += ["--probe", f"{PROBE_SECONDS:g}s"]
        self.told = " ".join(str(word).replace(str(self._place.folder), "...") for word in ["penstock", *words])
        node = json.loads(self._penstock(*words))["nodes"][0]
        way = next(each for each in node["ways"] if each["name"] == WAY)
        return {
            "wall_seconds": way["wall_seconds"],
            "bytes": way["moved_bytes"],
            "requests": way["get_requests"] + node["list_requests"],
            "compute_seconds": cell.epochs * node["compute_seconds"],
            "rate_bytes_per_second": node["rate_bytes_per_second"],
            "start_seconds": start_seconds + (node["list_seconds"] or 0.0),
        }

    def run(self) -> dict[str, Any]:
        """Train, through ``penstock run``."""
        cell, out = self._cell, self._place.folder / "out"
        words = [*self._source, "--out", out, "--window-size", self._window_bytes, "--epochs", cell.epochs]
        words += ["--batch-size", self._batch_samples, "--threads", 1, "--device", "cpu"]
        self._penstock("run", *words)
        run, scored = read_record(out / "run.json", RunRecord), read_record(out / "evaluation.json", Evaluation)
        listed = read_record(out / "list.json", StepRecord)
        waited = sum(each.valid_stall_seconds for each in run.epochs)
        kept = self._place.records / cell.name
        kept.mkdir(exist_ok=True)
        for name in ("run.json", "evaluation.json"):
            shutil.copy(out / name, kept / name)
        return {
            "wall_seconds": run.wall_seconds + scored.wall_seconds,
            "bytes": run.meters.bytes_downloaded + scored.meters.bytes_downloaded,
            "requests": sum(each.meters.count().sent for each in (listed, run, scored)),
            "compute_seconds": run.compute_seconds + sum(each.valid_seconds for each in run.epochs) - waited,
            "step_seconds": run.epochs[-1].compute_seconds / run.epochs[-1].num_steps,
            "stall_seconds": run.stall_seconds + waited,
            "start_seconds": _outside_epochs(run),
            **told_by(run.meters.plus(scored.meters)),
        }

    def loop(self) -> dict[str, Any]:
        """Read, through a loop of one's own."""
        asked = Looping(
            uri=self._place.uri,
            endpoint_url=self._place.endpoint_url,
            window=str(self._place.folder / "window"),
            window_bytes=self._window_bytes,
            batch_samples=self._batch_samples,
            epochs=self._cell.epochs,
            sample_seconds=self._sample_seconds,
        )
        words = [sys.executable, "-m", "benchmarks.forecast.loop", json.dumps(dataclasses.asdict(asked))]
        found: dict[str, Any] = json.loads(self._do(words).strip().splitlines()[-1])
        if found["given_bytes"] != self._data.size_bytes * self._cell.epochs:
            raise Failed(f"the loop was given {found['given_bytes']} bytes")
        return found

    def _penstock(self, *words: Any) -> str:
        return self._do([str(Path(sys.executable).parent / "penstock"), *map(str, words)])

    def _do(self, words: Sequence[str]) -> str:
        path = os.pathsep.join((str(REPOSITORY), str(self._place.site)))
        variables: Mapping[str, str] = {"PYTHONPATH": path, SECONDS_VARIABLE: repr(self._sample_seconds)}
        named = ["env", *(f"{name}={value}" for name, value in variables.items()), *words]
        done = run(named, self._place.folder / "home", seconds=RUN_SECONDS)
        if done.returncode:
            raise Failed(f"{' '.join(words[:2])}: {tail(done.stderr) or f'code {done.returncode}'}")
        return done.stdout


def _outside_epochs(run: RunRecord) -> float:
    """Return the seconds before the first epoch and behind the last."""
    return run.wall_seconds - sum(each.stall_seconds + each.compute_seconds + each.valid_seconds for each in run.epochs)
