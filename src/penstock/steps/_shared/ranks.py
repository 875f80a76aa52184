"""Which of a run's processes this one is, as torchrun tells it in the environment."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.errors import ConfigError
from penstock.plan.ranks import ONE_RANK, Ranks

__all__ = ["ONE_RANK", "Ranks", "check_one_rank", "num_nodes", "ranks_from"]


def ranks_from(environ: Mapping[str, str]) -> Ranks:
    """Read RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE; a process that none of them is set for is the only one.

    Raises:
        ConfigError: some of them are missing, or no whole number of at least 0.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    found = {name: environ[name] for name in names if environ.get(name)}
    if not found:
        return ONE_RANK
    for name in names:
        if not found.get(name, "").isdecimal():
            raise ConfigError(
                f"{name} is {found.get(name, 'not set')!r} where {', '.join(found)} is set",
                fix="start the processes with torchrun, or set none of its variables",
            )
    rank, world_size, local_rank, local_world_size = (int(found[name]) for name in names)
    return Ranks(rank=rank, world_size=world_size, local_rank=local_rank, local_world_size=local_world_size)


def num_nodes(environ: Mapping[str, str]) -> int:
    """Return how many nodes the processes of a step are on, as far as a launcher tells; 1 where it does not."""
    try:
        ranks = ranks_from(environ)
    except ConfigError:  # whoever uses the ranks refuses them
        return 1
    return max(1, -(-ranks.world_size // max(ranks.local_world_size, 1)))


def check_one_rank(ranks: Ranks) -> None:
    """Refuse to be one of several processes of a step that computes in one.

    Raises:
        ConfigError: there are several.
    """
    if ranks.world_size > 1:
        raise ConfigError(
            f"this is one of {ranks.world_size} processes (WORLD_SIZE), and this step trains in one",
            fix="start one process; ranks of a training loop of your own read through penstock.Stream",
        )
