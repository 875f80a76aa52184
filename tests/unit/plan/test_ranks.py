"""What launchers tell of a process."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.plan.ranks import Ranks, check_ranks, told_by_launcher

TOLD: dict[str, tuple[dict[str, str], tuple[int | None, ...], bool]] = {
    "torchrun": (
        {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "PET_NNODES": "2"},
        (5, 8, 1, 4),
        True,
    ),
    "deepspeed": ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, (1, 2, 1, None), True),
    "lightning's child": ({"WORLD_SIZE": "2", "LOCAL_RANK": "1", "NODE_RANK": "0"}, (None, 2, 1, None), False),
    "world alone": ({"WORLD_SIZE": "2"}, (None, 2, None, None), False),
    "rank alone": ({"RANK": "0"}, (0, None, None, None), False),
    "local rank alone": ({"LOCAL_RANK": "0"}, (None, None, 0, None), False),
    "a world of one": ({"WORLD_SIZE": "1"}, (None, 1, None, None), True),
    "open mpi": (
        {
            "OMPI_COMM_WORLD_RANK": "3",
            "OMPI_COMM_WORLD_SIZE": "4",
            "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        },
        (3, 4, 1, 2),
        True,
    ),
    "hydra": ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2, None, None), True),
    "slurm": ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "1"}, (1, 2, 1, None), True),
    "torchrun in slurm": (
        {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "RANK": "3", "WORLD_SIZE": "4"},
        (3, 4, None, None),
        True,
    ),
    "a pod of a trainer without torchrun": ({"PET_NNODES": "2", "PET_NPROC_PER_NODE": "1"}, (None,) * 4, False),
    "a range of nodes": ({"PET_NNODES": "1:4"}, (None,) * 4, False),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_launcher_tells(name: str) -> None:
    environ, numbers, is_decided = TOLD[name]
    told = told_by_launcher(environ)
    assert told is not None
    assert (told.rank, told.world_size, told.local_rank, told.local_world_size) == numbers
    assert told.is_decided == is_decided


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"RANK": "", "WORLD_SIZE": " "},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"},
        {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "auto"},
    ],
)
def test_a_process_that_nobody_counts_is_alone(environ: dict[str, str]) -> None:
    assert told_by_launcher(environ) is None


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(ConfigError, match="WORLD_SIZE is 'two'"):
        told_by_launcher({"RANK": "0", "WORLD_SIZE": "two"})


@pytest.mark.parametrize(
    "numbers", [(2, 2, 0, 1), (0, 2, 1, 2), (1, 4, 0, 4), (0, 1, 0, 2), (-1, 2, 0, 1), (0, 0, 0, 0)]
)
def test_numbers_that_do_not_fit_together_are_refused(numbers: tuple[int, ...]) -> None:
    rank, world_size, local_rank, local_world_size = numbers
    ranks = Ranks(rank=rank, world_size=world_size, local_rank=local_rank, local_world_size=local_world_size)
    with pytest.raises(ConfigError, match="somewhere"):
        check_ranks(ranks, source="somewhere")
