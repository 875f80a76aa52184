"""The other ranks of a window, as their cursors tell of them: who is there, how far, and who is gone.

A rank that ended keeps its cursor where it was, so that nothing behind it is freed any more: whoever waits for more
must be told, since the prefetcher lives and works.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from penstock.errors import RankLost
from penstock.window.cursor import Cursor

__all__ = ["Peer", "PeerState", "check_peers", "peers_of"]


class PeerState(Enum):
    """What a rank is doing in a session."""

    ELSEWHERE = "not in this session, yet or any more"
    READING = "reading"
    OVER = "ended the session"
    DEAD = "ended without a word"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another rank of the window.

    Attributes:
        index: window index below which it needs nothing any more; 0 where it is elsewhere.
    """

    rank: int
    state: PeerState
    index: int


def peers_of(folder: Path, *, session: str, rank: int, num_ranks: int) -> Iterator[Peer]:
    """Return the other ranks as they are now."""
    for other in range(num_ranks):
        if other != rank:
            state, index = _look(folder, other, session)
            yield Peer(rank=other, state=state, index=index)


def _look(folder: Path, rank: int, session: str) -> tuple[PeerState, int]:
    cursor = Cursor.open(folder, rank)
    if cursor is None or cursor.session != session:
        return PeerState.ELSEWHERE, 0
    if cursor.is_over:
        return PeerState.OVER, cursor.index
    if cursor.is_alive():
        return PeerState.READING, cursor.index
    # It may have ended the session, or begun another, between two looks.
    again = Cursor.open(folder, rank)
    if again is None or again.session != session:
        return PeerState.ELSEWHERE, 0
    return (PeerState.OVER if again.is_over else PeerState.DEAD), again.index


def check_peers(
    folder: Path,
    *,
    session: str,
    rank: int,
    num_ranks: int,
    index: int,
    is_patient: bool,
) -> None:
    """Raise if a rank died, or left the session where others go on and wait.

    Args:
        index: window index below which this rank needs nothing any more.
        is_patient: whether a rank that left may still not be the reason for waiting.

    Raises:
        RankLost: it did.
    """
    for peer in peers_of(folder, session=session, rank=rank, num_ranks=num_ranks):
        if peer.state is PeerState.DEAD:
            raise RankLost(
                f"rank {peer.rank} of those that share the window {folder} ended without a word",
                fix="see its own error; start all ranks again from the last checkpoint",
                about=str(folder),
            )
        if peer.state is PeerState.OVER and peer.index <= index and not is_patient:
            raise RankLost(
                f"rank {peer.rank} of those that share the window {folder} stopped reading before this one",
                fix="let every rank take as many batches: their samples are freed together",
                about=str(folder),
            )
