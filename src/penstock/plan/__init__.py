"""Pure functions of the plan: which order samples come in, who reads which, which split a group is in."""

from __future__ import annotations

from penstock.plan.lanes import check_lanes, rank_batches
from penstock.plan.order import Permutation, locate, make_order, stream_rows
from penstock.plan.split import assign_splits

__all__ = ["Permutation", "assign_splits", "check_lanes", "locate", "make_order", "rank_batches", "stream_rows"]
