"""Which rank a process is, by arguments, torch.distributed and the launcher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch.distributed as dist

from penstock.errors import ConfigError, RankLost
from penstock.loader.asked_ranks import AskedRanks
from penstock.loader.ranks import Found, Undecided, find_ranks
from penstock.plan.ranks import ONE_RANK, Ranks

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"}


def find(environ: dict[str, str], **asked: int) -> Found | Undecided | None:
    return find_ranks(AskedRanks(**asked), environ=environ, timeout_seconds=0.2)


def ranks(*numbers: int) -> Ranks:
    rank, world_size, local_rank, local_world_size = numbers
    return Ranks(rank=rank, world_size=world_size, local_rank=local_rank, local_world_size=local_world_size)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_arguments_win_over_the_launcher() -> None:
    assert find(TORCHRUN) == Found(ranks=ranks(1, 4, 1, 2))
    assert find(TORCHRUN, rank=0, world_size=1) == Found(ranks=ONE_RANK)
    # The launcher tells the node of the rank that it tells, and of no other.
    assert find(TORCHRUN, rank=1, world_size=4) == Found(ranks=ranks(1, 4, 1, 2))
    assert find(TORCHRUN, rank=2, world_size=4) == Found(ranks=ranks(2, 4, 0, 1))
    assert find({}, rank=2, world_size=4, local_rank=1, local_world_size=2) == Found(ranks=ranks(2, 4, 1, 2))


def test_what_is_not_told_is_not_guessed() -> None:
    assert find({}) is None
    found = find({"WORLD_SIZE": "2", "LOCAL_RANK": "1"})
    assert isinstance(found, Undecided)
    assert "WORLD_SIZE=2" in str(found.error())
    assert find({"RANK": "1", "WORLD_SIZE": "2"}) == Found(ranks=ranks(1, 2, 0, 1))


@pytest.mark.usefixtures("group")
def test_a_process_group_of_fewer_than_were_launched_is_refused() -> None:
    assert find({}) == Found(ranks=ONE_RANK)
    with pytest.raises(ConfigError, match=r"1 process.*WORLD_SIZE=4"):
        find(TORCHRUN)
    assert find(TORCHRUN, rank=3, world_size=4, local_rank=1, local_world_size=2) == Found(ranks=ranks(3, 4, 1, 2))
    # What started the launcher is not asked.
    assert find({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}) == Found(ranks=ONE_RANK)


def test_ranks_find_those_that_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.loader.ranks import _sort_out

    told = [["a", "1"], ["a", "2"], ["b", "3"], ["b", "4"], ["a", "5"]]
    assert [_sort_out(rank, told[:4]) for rank in (1, 2)] == [
        Found(ranks=ranks(1, 4, 1, 2), token="1"),
        Found(ranks=ranks(2, 4, 0, 2), token="3"),
    ]
    # Where they are not numbered one after another, each is on its own.
    assert _sort_out(4, told).ranks == ranks(4, 5, 0, 1)
    assert _sort_out(3, told).ranks == ranks(3, 5, 1, 2)


@pytest.mark.usefixtures("group")
def test_a_rank_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(RankLost, match="not all of the 2 ranks opened a Stream"):
        find({})
