"""Which of a run's processes this one is, and which of them share its node.

What is given as arguments counts first, then what ``torch.distributed`` says once it is initialised, then what the
launcher told. Where the node's ranks are not told, those that see the same folder for temporary files find each other
through the store of ``torch.distributed``; without it each has a window of its own, which is right and costs disk.
"""

from __future__ import annotations

import datetime
import os
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch.distributed as dist

from penstock.errors import ConfigError, RankLost
from penstock.loader.asked_ranks import AskedRanks
from penstock.plan.ranks import ONE_RANK, Ranks, Told, check_ranks, told_by_launcher

__all__ = ["Found", "Undecided", "find_ranks"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GIVE = "give rank= and world_size=, or start the processes with a launcher such as torchrun"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Ranks, and what the node's ranks know one another by; empty where that is the launcher's variables."""

    ranks: Ranks
    token: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecided:
    """There are several processes, and nothing tells, or not yet, which one this is."""

    source: str

    def error(self) -> ConfigError:
        """Return what is raised where it must be known."""
        return ConfigError(f"{self.source} tells of several processes, and not which one this is", fix=_GIVE)


def find_ranks(asked: AskedRanks, *, environ: Mapping[str, str], timeout_seconds: float) -> Found | Undecided | None:
    """Tell which process this is; None where nothing says that there is another one.

    Raises:
        ConfigError: what tells it contradicts itself.
        RankLost: a rank did not come to tell where it runs.
    """
    told = told_by_launcher(environ)
    if asked.rank is not None and asked.world_size is not None:
        return Found(ranks=_with_node(asked.rank, asked.world_size, asked, told, "rank=, world_size=") or _alone(asked))
    if dist.is_available() and dist.is_initialized():
        is_elastic = "TORCHELASTIC_RUN_ID" in environ
        return _of_torch(asked, told, is_elastic=is_elastic, timeout_seconds=timeout_seconds)
    if told is None:
        return None
    if not told.is_decided:
        return Undecided(source=told.source)
    if told.world_size == 1:
        return Found(ranks=ONE_RANK)
    assert told.rank is not None
    assert told.world_size is not None
    both = AskedRanks(rank=told.rank, world_size=told.world_size)
    return Found(ranks=_with_node(told.rank, told.world_size, asked, told, told.source) or _alone(both))


def _of_torch(asked: AskedRanks, told: Told | None, *, is_elastic: bool, timeout_seconds: float) -> Found:
    """Return the ranks of the process group: whatever else is told, its ranks differ, and step together.

    Args:
        is_elastic: whether torchrun's agent told it, to all ranks alike; others have been seen to tell it to some.
    """
    rank, world_size = dist.get_rank(), dist.get_world_size()
    if told is not None and told.is_of_processes and told.world_size is not None and told.world_size > world_size:
        raise ConfigError(
            f"torch.distributed says that there are {world_size} process(es), and the launcher more ({told.source})",
            fix="give rank= and world_size= to say which of the processes read the data together",
        )
    if world_size == 1:
        return Found(ranks=ONE_RANK)
    ranks = _with_node(rank, world_size, asked, told if is_elastic else None, "torch.distributed")
    return Found(ranks=ranks) if ranks is not None else _meet(rank, world_size, timeout_seconds)


def _with_node(rank: int, world_size: int, asked: AskedRanks, told: Told | None, source: str) -> Ranks | None:
    """Return the ranks with those of the node, None where nothing tells them."""
    local_rank, local_world_size = asked.local_rank, asked.local_world_size
    if local_rank is None and told is not None and (told.rank, told.world_size) == (rank, world_size):
        local_rank, local_world_size, source = told.local_rank, told.local_world_size, told.source
    if local_rank is None or local_world_size is None:
        return None
    ranks = Ranks(rank=rank, world_size=world_size, local_rank=local_rank, local_world_size=local_world_size)
    return check_ranks(ranks, source=source)


def _alone(asked: AskedRanks) -> Ranks:
    """Return a rank that has a window of its own."""
    assert asked.rank is not None
    assert asked.world_size is not None
    ranks = Ranks(rank=asked.rank, world_size=asked.world_size, local_rank=0, local_world_size=1)
    return check_ranks(ranks, source=f"rank={asked.rank}, world_size={asked.world_size}")


_met: dict[str, Found] = {}
"""What ranks told one another, by the name of the process group."""


def _meet(rank: int, world_size: int, timeout_seconds: float) -> Found:
    """Find the ranks that see what this one sees, through the store that all of them were initialised with."""
    name = f"{dist.distributed_c10d._get_default_group().group_name} {rank} {world_size}"
    if name not in _met:
        store = dist.distributed_c10d._get_default_store()
        keys = [f"penstock/{dist.get_world_size()}/{name.split()[0]}/{other}" for other in range(world_size)]
        store.set(keys[rank], f"{_what_is_seen()} {uuid.uuid4().hex}")
        try:
            store.wait(keys, datetime.timedelta(seconds=timeout_seconds))
        except Exception as error:
            raise RankLost(
                f"not all of the {world_size} ranks opened a Stream within {timeout_seconds:.0f} s",
                fix="open it on all ranks, or give this one rank=0 and world_size=1 to read everything on its own",
            ) from error
        _met[name] = _sort_out(rank, [store.get(key).decode().split() for key in keys])
    return _met[name]


def _sort_out(rank: int, told: list[list[str]]) -> Found:
    """Tell the node's ranks, and what they know one another by: the first one's own name."""
    node = [other for other, (seen, _) in enumerate(told) if seen == told[rank][0]]
    if node != list(range(node[0], node[-1] + 1)):
        node = [rank]  # a window is for ranks that are numbered without a gap
    ranks = Ranks(rank=rank, world_size=len(told), local_rank=node.index(rank), local_world_size=len(node))
    return Found(ranks=ranks, token=told[node[0]][1])


def _what_is_seen() -> str:
    """Name the machine and its folder for temporary files, as this process and this user see them."""
    folder = Path(tempfile.gettempdir()).stat()
    boot = _BOOT.read_text().strip() if _BOOT.exists() else uuid.getnode()
    return f"{boot}:{folder.st_dev}:{folder.st_ino}:{os.geteuid()}"
