"""Nodes: each has a window of its own, and its prefetcher fetches what its ranks read and nothing else.

Position ``p`` of a segment is rank ``p % world_size``'s (see ``penstock.plan.lanes``). A node with the ranks from
``a`` until before ``a + k`` of ``W`` holds the positions with ``a <= p % W < a + k``, in order, and numbers them
densely: its ``c``-th of a segment is position ``(c // k) * W + a + c % k``, and before position ``p`` it holds
``(p // W) * k + clip(p % W - a, 0, k)``. These window indices run on over segments and epochs like stream indices do.
A position that no rank is given, because fewer were left than there are ranks, is some node's all the same.

What the world reads, and in which order, does not depend on how its ranks are spread over nodes; nor does a saved
place, which is a stream index.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.errors import ConfigError
from penstock.records import Order, RankShare

__all__ = ["node_order", "share_extents", "share_positions", "stream_indices", "window_extents", "window_indices"]


def node_order(order: Order, *, first_rank: int, num_ranks: int, world_size: int) -> Order:
    """Return the order of the window that serves ``num_ranks`` ranks from ``first_rank`` on.

    Raises:
        ConfigError: there are no such ranks.
    """
    if not 0 <= first_rank < first_rank + num_ranks <= world_size:
        raise ConfigError(
            f"a node with {num_ranks} rank(s) from rank {first_rank} on, of {world_size} in all",
            fix="check RANK, LOCAL_RANK, LOCAL_WORLD_SIZE and WORLD_SIZE of this process",
        )
    if num_ranks == world_size:
        # However many ranks share one window, it holds everything: their stream is one and the same.
        first_rank, num_ranks, world_size = 0, 1, 1
    share = RankShare(first_rank=first_rank, num_ranks=num_ranks, world_size=world_size)
    return msgspec.structs.replace(order, share=share)


def share_extents(share: RankShare, num_positions: int) -> int:
    """Tell how many of a segment's first positions are of a share."""
    rounds, rest = divmod(num_positions, share.world_size)
    return rounds * share.num_ranks + min(max(rest - share.first_rank, 0), share.num_ranks)


def share_positions(share: RankShare, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions in a segment of a share's samples, by their numbers in it, shape as given."""
    rounds, rank = np.divmod(numbers, share.num_ranks)
    return rounds * share.world_size + share.first_rank + rank


def window_extents(order: Order) -> int:
    """Return how many samples of one epoch are in the order's share."""
    return sum(share_extents(order.share, segment.num_extents) for segment in order.segments)


def stream_indices(order: Order, indices: ArrayLike) -> NDArray[np.int64]:
    """Return the stream indices that window indices are, shape as given."""
    share, wanted = order.share, np.asarray(indices, dtype=np.int64)
    if share.num_ranks == share.world_size:
        return wanted
    held = _starts([share_extents(share, segment.num_extents) for segment in order.segments])
    starts = _starts([segment.num_extents for segment in order.segments])
    epoch, rest = np.divmod(wanted, held[-1])
    segment = np.searchsorted(held, rest, side="right") - 1
    position = share_positions(share, rest - held[segment])
    return np.asarray(epoch * starts[-1] + starts[segment] + position, dtype=np.int64)


def window_indices(order: Order, indices: ArrayLike) -> NDArray[np.int64]:
    """Return how many of the share's samples come before each stream index, shape as given.

    For a stream index of the share that is its window index; for another one that of the next one.
    """
    share, wanted = order.share, np.asarray(indices, dtype=np.int64)
    if share.num_ranks == share.world_size:
        return wanted
    held = _starts([share_extents(share, segment.num_extents) for segment in order.segments])
    starts = _starts([segment.num_extents for segment in order.segments])
    epoch, rest = np.divmod(wanted, starts[-1])
    segment = np.searchsorted(starts, rest, side="right") - 1
    rounds, rank = np.divmod(rest - starts[segment], share.world_size)
    before = rounds * share.num_ranks + np.clip(rank - share.first_rank, 0, share.num_ranks)
    return np.asarray(epoch * held[-1] + held[segment] + before, dtype=np.int64)


def _starts(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Return where each part begins, and where the last one ends."""
    return np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
