"""Pure functions of the plan: which order samples come in, who reads which, which split a group is in."""

from __future__ import annotations

from penstock.plan.lanes import check_lanes, check_segments, rank_batches, rank_samples
from penstock.plan.order import Permutation, locate, make_order, rows_between, stream_rows
from penstock.plan.split import assign_splits

__all__ = [
    "Permutation",
    "assign_splits",
    "check_lanes",
    "check_segments",
    "locate",
    "make_order",
    "rank_batches",
    "rank_samples",
    "rows_between",
    "stream_rows",
]
