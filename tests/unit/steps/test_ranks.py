"""What torchrun's variables say of a process."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.steps._shared.ranks import ONE_RANK, Ranks, check_one_rank, ranks_from

VARIABLES = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}


def test_a_process_of_torchrun_knows_its_place() -> None:
    assert ranks_from(VARIABLES) == Ranks(rank=5, world_size=8, local_rank=1, local_world_size=4)


def test_a_process_on_its_own_is_the_only_one() -> None:
    assert ranks_from({"RANK": "", "HOME": "/"}) == ONE_RANK
    check_one_rank(ONE_RANK)


@pytest.mark.parametrize(("name", "value"), [("LOCAL_RANK", ""), ("WORLD_SIZE", "two"), ("RANK", "-1")])
def test_variables_that_do_not_fit_are_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is .*torchrun"):
        ranks_from(VARIABLES | {name: value})


def test_training_in_several_processes_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of 8 processes"):
        check_one_rank(ranks_from(VARIABLES))
