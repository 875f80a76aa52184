"""Pure functions of the plan: which order samples come in, who reads which, which split a group is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.plan.lanes import (
        check_lanes,
        check_rank,
        check_segments,
        fewest_samples,
        num_rank_batches,
        rank_batches,
        rank_samples,
    )
    from penstock.plan.making import make_plan
    from penstock.plan.mixing import check_mixed_lanes, most_mixed
    from penstock.plan.nodes import node_order, stream_indices, window_extents, window_indices
    from penstock.plan.order import (
        check_shuffle,
        choose_blocks,
        choose_mix,
        locate,
        make_order,
        rows_between,
        rows_in_order,
        stream_rows,
    )
    from penstock.plan.passes import MOST_PASSES, usual_part_bytes
    from penstock.plan.permutation import BlockPermutation, Permutation
    from penstock.plan.repeating import (
        WindowPart,
        check_repeat,
        choose_repeat,
        parts_from,
        turn_at,
        turn_end,
        turn_of,
    )
    from penstock.plan.split import SplitRule, left_to_cut, nearest_seed, row_ranks, split_rule
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "lanes": "check_lanes check_rank check_segments fewest_samples num_rank_batches rank_batches rank_samples",
            "making": "make_plan",
            "mixing": "check_mixed_lanes most_mixed",
            "nodes": "node_order stream_indices window_extents window_indices",
            "order": "check_shuffle choose_blocks choose_mix locate make_order rows_between rows_in_order stream_rows",
            "passes": "MOST_PASSES usual_part_bytes",
            "permutation": "BlockPermutation Permutation",
            "repeating": "WindowPart check_repeat choose_repeat parts_from turn_at turn_end turn_of",
            "split": "SplitRule left_to_cut nearest_seed row_ranks split_rule",
        },
    )

__all__ = [
    "MOST_PASSES",
    "BlockPermutation",
    "Permutation",
    "SplitRule",
    "WindowPart",
    "check_lanes",
    "check_mixed_lanes",
    "check_rank",
    "check_repeat",
    "check_segments",
    "check_shuffle",
    "choose_blocks",
    "choose_mix",
    "choose_repeat",
    "fewest_samples",
    "left_to_cut",
    "locate",
    "make_order",
    "make_plan",
    "most_mixed",
    "nearest_seed",
    "node_order",
    "num_rank_batches",
    "parts_from",
    "rank_batches",
    "rank_samples",
    "row_ranks",
    "rows_between",
    "rows_in_order",
    "split_rule",
    "stream_indices",
    "stream_rows",
    "turn_at",
    "turn_end",
    "turn_of",
    "usual_part_bytes",
    "window_extents",
    "window_indices",
]
