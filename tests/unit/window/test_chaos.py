"""Either process killed at random moments: what arrives is what the plan says, each sample once, within the bound.

The trainer here is a process that appends a line a sample to a log, its checkpoint, and goes on behind the last
whole line when it is started again. ``PENSTOCK_CHAOS_KILLS`` sets how many kills there are.
"""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from penstock.options.window import ServingOptions
from penstock.window import Prefetcher
from penstock.window.folder import used_bytes
from support.raw import make_raw_dataset
from support.windows import kill_serving, make_spec, planned_keys

NUM_KILLS = int(os.environ.get("PENSTOCK_CHAOS_KILLS", "5"))
NUM_SAMPLES = 2000
WINDOW_BYTES = 400_000

TRAINER = """
import pickle, sys
from pathlib import Path
from penstock.window import WindowReader
from support.windows import make_spec, take

data, folder, log = pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), Path(sys.argv[3])
done = log.read_bytes() if log.exists() else b""
done = done[: done.rfind(b"\\n") + 1]
log.write_bytes(done)
spec = make_spec(data, first_index=done.count(b"\\n"))
reader = WindowReader(folder, spec, timeout_seconds=30).begin()
with log.open("ab", buffering=0) as out:
    for index in range(spec.first_index, spec.end_index):
        out.write((take(reader, data, index) + "\\n").encode())
"""


def test_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    data = make_raw_dataset(tmp_path, sizes=[500 + (n * 7919) % 4000 for n in range(NUM_SAMPLES)], per_object=50)
    (tmp_path / "pickled").write_bytes(pickle.dumps(data))
    folder, log, chance = tmp_path / "window", tmp_path / "log", random.Random(NUM_KILLS)
    argv = [sys.executable, "-c", TRAINER, str(tmp_path / "pickled"), str(folder), str(log)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    peaks, over = [0], threading.Event()

    def gauge() -> None:
        while not over.wait(0.005):
            peaks.append(used_bytes(folder) if folder.exists() else 0)

    def lines() -> int:
        return log.read_bytes().count(b"\n") if log.exists() else 0

    gauging = threading.Thread(target=gauge)
    gauging.start()
    try:
        trainer = subprocess.Popen(argv, env=environment)
        with Prefetcher(folder, ServingOptions(window_size=WINDOW_BYTES)) as prefetcher:
            for kill in range(NUM_KILLS):
                goal = NUM_SAMPLES * (kill + chance.random()) / NUM_KILLS
                while lines() < goal and trainer.poll() is None:
                    time.sleep(0.001)
                time.sleep(chance.random() * 0.02)
                victim = kill % 3 if kill < 3 else chance.randrange(3)
                if victim != 0:
                    kill_serving(prefetcher)
                if victim != 1:
                    trainer.kill()
                    trainer.wait()
                    trainer = subprocess.Popen(argv, env=environment)
            assert trainer.wait(120) == 0
            assert prefetcher.num_restarts > 0
    finally:
        over.set()
        gauging.join()
    # A batch of one: what was logged before a kill is what the trainer had, and a line is one sample.
    assert log.read_text().split() == planned_keys(data, make_spec(data))
    assert WINDOW_BYTES // 2 < max(peaks) <= WINDOW_BYTES
