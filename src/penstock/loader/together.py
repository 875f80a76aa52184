"""Ranks of one window begin sessions together, and the one that serves them leaves last.

Rank 0 asks for sessions. It asks for the next one only when nobody reads the last one any more, and gives out nothing
before all are there: a rank that never comes is an error on rank 0, and not a share of the data that nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.clock import running_seconds
from penstock.errors import RankLost
from penstock.window.peers import Peer, PeerState, peers_of
from penstock.window.wakeup import Listener

__all__ = ["Together"]

_HERE = (PeerState.READING, PeerState.OVER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """What rank 0 waits for; other ranks wait for its session, as they always do.

    Attributes:
        rank: of this process among those that share the window.
    """

    folder: Path
    rank: int
    num_ranks: int
    timeout_seconds: float

    def wait_for_the_end(self, session: str) -> None:
        """Wait until nobody else reads a session any more.

        Raises:
            RankLost: somebody still does after the timeout.
        """
        if late := self._wait(session, lambda peer: peer.state is not PeerState.READING):
            raise RankLost(
                f"this process began to read anew, and rank {late} of those that share the window {self.folder} went "
                f"on with what was before for {self.timeout_seconds:.0f} s",
                fix="begin each loop on all ranks, or give this one rank=0 and world_size=1 to read on its own",
                about=str(self.folder),
            )

    def wait_for_all(self, session: str) -> None:
        """Wait until all ranks have begun to read a session.

        Raises:
            RankLost: one did not within the timeout, or it died.
        """
        if late := self._wait(session, lambda peer: peer.state in _HERE):
            raise RankLost(
                f"rank {late} of the {self.num_ranks} that share the window {self.folder} did not begin to read within "
                f"{self.timeout_seconds:.0f} s",
                fix="read on all ranks, or give this one rank=0 and world_size=1 to read everything on its own",
                about=str(self.folder),
            )

    def wait_until_passed(self, session: str, index: int, *, seconds: float) -> bool:
        """Wait until nobody needs a window index any more that lies below ``index``; False where one still does."""
        return not self._wait(
            session, lambda peer: peer.state is not PeerState.READING or peer.index >= index, seconds=seconds
        )

    def _wait(self, session: str, done: Callable[[Peer], bool], *, seconds: float | None = None) -> str:
        """Wait for the others; name those for which it did not come true in time."""
        if self.num_ranks == 1 or self.rank != 0:
            return ""
        listener = Listener(self.folder)
        deadline = running_seconds() + (self.timeout_seconds if seconds is None else seconds)
        try:
            while late := [peer.rank for peer in self._peers(session) if not done(peer)]:
                if running_seconds() > deadline:
                    return ", ".join(map(str, late))
                listener.wait()
        finally:
            listener.close()
        return ""

    def _peers(self, session: str) -> list[Peer]:
        return list(peers_of(self.folder, session=session, rank=self.rank, num_ranks=self.num_ranks))
