"""Ranks of one job: each is given its share through one window, and none is left waiting for another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import rank_loop
from support.objects import write_objects

NUM_OBJECTS = 61
"""The last batches of two ranks with 4 each are of 3 and 2; with 6 each, from the 24th on, one is left for both."""
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


def launch(words: list[str], *, out: Path, is_clean: bool = True, **changed: str) -> list[dict[str, Any]]:
    """Run a job; give what its ranks told."""
    temporary = out / "tmp"
    temporary.mkdir()
    ours = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    environ |= {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "TMPDIR": str(temporary)}
    environ |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"} | changed
    done = subprocess.run(words, capture_output=True, text=True, env=environ, timeout=280)
    assert done.returncode == 0, done.stderr[-6000:]
    assert not is_clean or list(temporary.glob("*penstock*")) == []
    return [json.loads(path.read_text()) for path in sorted(out.glob("rank-*.json"))]


def torchrun(script: str, *words: str, ranks: int = 2) -> list[str]:
    own = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return [*own, str(TESTS / "support" / script), *words]


def union(told: list[list[list[int]]]) -> list[int]:
    return sorted(number for batches in told for batch in batches for number in batch)


def test_ranks_of_torchrun_share_the_data_and_a_window(folder: Path, tmp_path: Path) -> None:
    told = launch(torchrun("rank_loop.py", "torchrun", str(folder), str(tmp_path)), out=tmp_path)
    assert len(told) == 2
    assert [each["num_samples"] for each in told] == [NUM_OBJECTS] * 2
    for rank in told:
        assert [len(epoch) for epoch in rank["epochs"]] == [rank["len"]] * 2 == [8] * 2
        assert (rank["windows"], rank["prefetchers"]) == (1, 1)
    for name in ("left", "after", "full"):
        assert len(told[0][name]) == len(told[1][name])
    for epoch in range(2):
        given = union([rank["epochs"][epoch] for rank in told])
        assert len(given) == len(set(given)) == NUM_OBJECTS
        full = union([rank["full"][epoch] for rank in told])
        assert len(full) == len(set(full)) == 16 * told[0]["full_len"] == 48
        assert all(len(batch) == 8 for rank in told for batch in rank["full"][epoch])
    after = union([rank["after"] for rank in told])
    assert len(after) == len(set(after)) == NUM_OBJECTS

    # A place is the same on all ranks, and is gone on from by any number of them, with any batch size.
    state = told[0]["state"]
    assert told[1]["state"] == state
    begun = union([rank["begun"] for rank in told])
    whole = union([[*rank["begun"], *rank["rest"]] for rank in told])
    assert len(whole) == len(set(whole)) == NUM_OBJECTS
    resumed = union([rank["resumed"] for rank in told])
    assert len(resumed) == len(set(resumed)) == NUM_OBJECTS - 1 - len(begun)
    assert set(resumed).isdisjoint(begun)
    with rank_loop.open_stream(str(folder), rank=0, world_size=1) as stream:
        stream.load_state_dict(state)
        alone = sorted(number for batch in stream for number in batch.tolist())
    assert sorted([*alone, *begun]) == list(range(NUM_OBJECTS))


@pytest.mark.parametrize("dies", [0, 1])
def test_a_rank_that_dies_is_told_to_the_others(folder: Path, tmp_path: Path, dies: int) -> None:
    words = torchrun("rank_loop.py", "fails", str(folder), str(tmp_path))
    told = launch(words, out=tmp_path, is_clean=dies != 0, DIES=str(dies))
    assert [rank["error"] in ("RankLost", "PrefetcherLost") for rank in told] == [True]
    assert dies == 0 or "rank 1" in told[0]["what"]
    assert told[0]["seconds"] < 60
