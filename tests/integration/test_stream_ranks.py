"""Ranks of one job: each is given its share through one window, and none is left waiting for another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigError, EmptyListing, PenstockError, RankLost, WindowError
from support import rank_loop
from support.forked import Forked
from support.objects import write_objects

NUM_OBJECTS = 61
"""The last batches of two ranks with 4 each are of 3 and 2; with 6 each, from the 24th on, one is left for both."""
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


def launch(
    words: list[str], *, out: Path, is_clean: bool = True, is_killed: bool = False, **changed: str
) -> list[dict[str, Any]]:
    """Run a job; give what its ranks told."""
    environ = environment(out, **changed)
    done = subprocess.run(words, capture_output=True, text=True, env=environ, timeout=280)
    assert (done.returncode != 0) if is_killed else (done.returncode == 0), done.stderr[-6000:]
    return told_in(out, is_clean=is_clean)


def environment(out: Path, **changed: str) -> dict[str, str]:
    (out / "tmp").mkdir(exist_ok=True)
    ours = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    environ |= {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "TMPDIR": str(out / "tmp")}
    return environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"} | changed


def told_in(out: Path, *, is_clean: bool) -> list[dict[str, Any]]:
    assert not is_clean or list((out / "tmp").glob("*penstock*")) == []
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
    ranks = []
    for rank in range(2):
        given = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2, "DIES": dies}
        environ = environment(tmp_path, **{name: str(value) for name, value in given.items()})
        words = ("fails", folder, tmp_path)
        ranks.append(Forked(words, script=TESTS / "support" / "rank_loop.py", environment=environ))
    assert [rank.wait(280) for rank in ranks] == [0, 0], [rank.output() for rank in ranks]
    told = told_in(tmp_path, is_clean=dies != 0)
    assert [rank["error"] in ("RankLost", "PrefetcherLost") for rank in told] == [True]
    assert dies == 0 or "rank 1" in told[0]["what"]
    assert told[0]["seconds"] < 60


def on_ranks(use: Callable[[dict[str, int]], Any], *, local: bool = True) -> list[Any]:
    """Use streams as two ranks do that are given as arguments, in two threads of this process."""

    def one(rank: int) -> Any:
        told = {"rank": rank, "world_size": 2}
        try:
            return use(told | ({"local_rank": rank, "local_world_size": 2} if local else {}))
        except PenstockError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("local", [True, False], ids=["one node", "two nodes"])
def test_ranks_that_are_given_read_their_shares(folder: Path, own_temporary: Path, *, local: bool) -> None:
    def use(ranks: dict[str, int]) -> tuple[list[int], int, float]:
        with rank_loop.open_stream(str(folder), **ranks) as stream:
            seen = [number for _ in range(2) for batch in stream for number in batch.tolist()]
            return seen, len(list(own_temporary.glob("penstock-stream-*"))), stream.meters().sample_bytes

    told = on_ranks(use, local=local)
    assert sorted([*told[0][0], *told[1][0]]) == sorted([*range(NUM_OBJECTS)] * 2)
    assert max(windows for _, windows, _ in told) == (1 if local else 2)
    assert list(own_temporary.glob("*penstock*")) == []


def test_what_the_first_rank_cannot_list_is_told_to_all(folder: Path) -> None:
    told = on_ranks(lambda ranks: rank_loop.open_stream(str(folder), match="*.jpg", **ranks))
    assert [type(error) for error in told] == [EmptyListing] * 2
    assert str(told[0]) == str(told[1])


def test_a_rank_that_does_not_come_is_waited_for_as_long_as_was_said(folder: Path) -> None:
    def use(ranks: dict[str, int]) -> Any:
        with rank_loop.open_stream(str(folder), timeout_seconds=2, **ranks) as stream:
            return next(iter(stream)) if ranks["rank"] == 0 else None

    first, _ = on_ranks(use)
    assert isinstance(first, RankLost)
    assert "rank 1 of the 2" in str(first)
    alone = {"rank": 1, "world_size": 2, "local_rank": 1, "local_world_size": 2}
    with pytest.raises(RankLost, match="the first rank of this node opened no such Stream"):
        rank_loop.open_stream(str(folder), timeout_seconds=1, **alone)


def test_several_processes_and_no_number_is_an_error_when_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with rank_loop.open_stream(str(folder)) as stream:
        for use in (iter, len):
            with pytest.raises(ConfigError, match=r"WORLD_SIZE=2.*rank= and world_size="):
                use(stream)
        monkeypatch.setenv("RANK", "1")
        assert len(stream) == 8
        assert len(list(stream)) == 8


def test_a_second_stream_on_a_window_is_refused_and_the_first_goes_on(folder: Path, tmp_path: Path) -> None:
    with rank_loop.open_stream(str(folder), window_folder=tmp_path / "window") as stream:
        batches = iter(stream)
        next(batches)
        with pytest.raises(WindowError, match="another job trains through"):
            rank_loop.open_stream(str(folder), window_folder=tmp_path / "window")
        assert len(list(batches)) == 15
