"""Trackers of experiments, which a run tells its losses and metrics to: TensorBoard, W&B, MLflow."""

from __future__ import annotations

from penstock.observe.trackers.kinds import Facts, check_libraries, tracker_list
from penstock.observe.trackers.telling import Trackers

__all__ = ["Facts", "Trackers", "check_libraries", "tracker_list"]
