"""Which of a run's processes this one is, as its launcher tells in the environment.

Torchrun, and those that set what it sets (Accelerate, DeepSpeed, Ray Train, Kubeflow's trainers), Open MPI, Hydra and
Slurm are known. Slurm counts where a step has several tasks: a batch script alone has none. What tells that there are
several processes and not which one this is, is *undecided*: never taken for a process alone, which would read
everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.errors import ConfigError

__all__ = ["ONE_RANK", "Ranks", "Told", "check_ranks", "told_by_launcher"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """A process among those of a run, and among those of its node, which share a window."""

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int


ONE_RANK = Ranks(rank=0, world_size=1, local_rank=0, local_world_size=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a launcher tells; None is what it does not.

    Attributes:
        source: the variables that tell it, for messages.
        is_of_processes: whether it counts the processes that compute; Slurm and MPI may have started another launcher.
    """

    source: str
    rank: int | None
    world_size: int | None
    local_rank: int | None
    local_world_size: int | None
    is_of_processes: bool

    @property
    def is_decided(self) -> bool:
        """Whether it tells which process this one is; one that is alone need not be told."""
        return self.world_size == 1 or (self.rank is not None and self.world_size is not None)


_LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    ("HOROVOD_RANK", "HOROVOD_SIZE", "HOROVOD_LOCAL_RANK", "HOROVOD_LOCAL_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""),
)
_COUNTS_OF_TORCHRUN = ("PET_NNODES", "PET_NPROC_PER_NODE")


def told_by_launcher(environ: Mapping[str, str]) -> Told | None:
    """Read what the launcher told; None where there is none, or it started a single process.

    Raises:
        ConfigError: a variable is no whole number of at least 0.
    """
    for names in _LAUNCHERS:
        found = [name for name in names if environ.get(name, "").strip()]
        is_torchrun = names[0] == "RANK"
        # Slurm tells tasks their numbers in a batch script too; only the size tells that there are several.
        if not found or (not is_torchrun and names[1] not in found):
            continue
        rank, world_size, local_rank, local_world_size = (_number(environ, name) for name in names)
        return Told(
            source=", ".join(f"{name}={environ[name]}" for name in found),
            rank=rank,
            world_size=world_size,
            local_rank=local_rank,
            local_world_size=local_world_size,
            is_of_processes=is_torchrun,
        )
    several = [name for name in _COUNTS_OF_TORCHRUN if _is_several(environ.get(name, ""))]
    if several:
        source = ", ".join(f"{name}={environ[name]}" for name in several)
        return Told(
            source=source, rank=None, world_size=None, local_rank=None, local_world_size=None, is_of_processes=True
        )
    return None


def check_ranks(ranks: Ranks, *, source: str) -> Ranks:
    """Refuse numbers that do not fit together.

    Raises:
        ConfigError: they do not; ``source`` tells where they are from.
    """
    first = ranks.rank - ranks.local_rank
    fits = 0 <= ranks.local_rank < ranks.local_world_size and 0 <= ranks.rank < ranks.world_size
    if not fits or first < 0 or first + ranks.local_world_size > ranks.world_size:
        raise ConfigError(
            f"rank {ranks.rank} of {ranks.world_size}, on its node {ranks.local_rank} of {ranks.local_world_size} "
            f"({source})",
            fix="ranks count from 0 on and are fewer than their number, those of a node one after another",
        )
    return ranks


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise ConfigError(
            f"{name} is {text!r}", fix="start the processes with a launcher such as torchrun, or unset the variable"
        )
    return int(text)


def _is_several(text: str) -> bool:
    """Tell whether a count, or the upper end of a range of counts, is more than one; ``auto`` and ``gpu`` tell none."""
    last = text.rpartition(":")[2].strip()
    return last.isdecimal() and int(last) > 1
