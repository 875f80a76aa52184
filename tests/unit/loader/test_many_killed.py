"""Extents of many samples, and processes that are killed: nothing is lost, and nothing repeated."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.loader import Decoding, WindowStream
from penstock.manifest import Described, ManifestReader
from penstock.options.window import ServingOptions
from penstock.records import Plan, read_record, write_record
from penstock.window import Prefetcher
from support.forked import Forked, run_forked
from support.many import Records, make_many_dataset
from support.raw import RawDataset

WINDOW_BYTES = 1 << 20
COUNTS = [20 + (number * 37) % 20 for number in range(60)]

TRAINER = """
import json, os, sys
from pathlib import Path
from unit.loader.test_many_killed import open_stream, read_dataset
root, folder, num_workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
stream = open_stream(read_dataset(root), folder, root / "decoded", num_workers=num_workers)
state = root / "state.json"
if state.exists():
    stream.load_state_dict(json.loads(state.read_text()))
for epoch in range(2):
    for batch in stream.batches(epoch, 0):
        place = stream.state_dict()
        with (root / "given").open("a") as file:
            file.write(json.dumps([place["next_index"], batch]) + "\\n")
        (root / "state.part").write_text(json.dumps(place))
        os.replace(root / "state.part", state)
stream.close()
"""


def read_dataset(root: Path) -> RawDataset:
    with ManifestReader(root / "manifest.parquet") as reader:
        info = reader.info
    return RawDataset(
        folder=root / "data",
        manifest=root / "manifest.parquet",
        info=info,
        plan=read_record(root / "plan.json", Plan),
        digests={},
    )


def keys_alone(values: Sequence[Any]) -> list[str]:
    return [key for key, _, _ in values]


def open_stream(data: RawDataset, folder: Path, log: Path, *, num_workers: int, decode: Any = None) -> WindowStream:
    return WindowStream(
        folder=folder,
        manifest=data.manifest,
        info=data.info,
        plan=data.plan,
        splits=[("train", True)],
        decoding=Decoding(decode=decode or Records(log), collate=keys_alone),
        batch_size=16,
        num_epochs=2,
        num_workers=num_workers,
    )


def keys_of(stream: WindowStream) -> list[str]:
    return [key for epoch in range(2) for batch in stream.batches(epoch, 0) for key in batch]


def test_a_trainer_that_is_killed_goes_on_at_its_sample(tmp_path: Path) -> None:
    root = tmp_path / "data"
    data = make_many_dataset(root, counts=COUNTS, sample_bytes=1024)
    write_record(root / "plan.json", data.plan)
    words, script = (root, tmp_path / "window", 2), tmp_path / "trainer.py"
    script.write_text(TRAINER)
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        for lines in (7, 60):
            trainer = Forked(words, script=script, environment=environment)
            deadline = time.monotonic() + 120
            while not (root / "given").exists() or len((root / "given").read_text().splitlines()) < lines:
                assert trainer.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            trainer.send_signal(signal.SIGKILL)
            trainer.wait()
        done = run_forked(words, script=script, environment=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        alone = open_stream(data, tmp_path / "window", tmp_path / "log", num_workers=0)
        expected = keys_of(alone)
        alone.close()
    given = [json.loads(line) for line in (root / "given").read_text().splitlines()]
    by_place = dict(given)
    # A batch that was given, but not saved before the kill, came again, and was the same.
    assert all(by_place[place] == keys for place, keys in given)
    assert len(given) - len(by_place) <= 2
    assert [key for place in sorted(by_place) for key in by_place[place]] == expected
    assert Counter(expected) == dict.fromkeys(data.digests, 2)


@dataclass(frozen=True)
class KillsOnce:
    """Kills the worker that decodes an extent for the first time."""

    folder: Path
    then: Records

    def __call__(self, data: Any, about: Described, codec: str, numbers: Any) -> Sequence[Any]:
        mark = self.folder / about.key
        if about.key == "part-007.bin-3" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.then(data, about, codec, numbers)


def test_a_worker_that_is_killed_is_made_up_for(tmp_path: Path) -> None:
    data = make_many_dataset(tmp_path / "data", counts=COUNTS, sample_bytes=1024)
    marks = tmp_path / "marks"
    marks.mkdir()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        killed = open_stream(
            data,
            tmp_path / "window",
            tmp_path / "log",
            num_workers=2,
            decode=KillsOnce(marks, Records(tmp_path / "log")),
        )
        found = keys_of(killed)
        killed.close()
        alone = open_stream(data, tmp_path / "window", tmp_path / "alone", num_workers=0)
        assert keys_of(alone) == found
        alone.close()
    assert len(list(marks.iterdir())) == 1
