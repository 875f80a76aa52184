"""Whether there is anything to learn in a manifest's targets; without torch."""

from __future__ import annotations

import math

from penstock.errors import MissingLabel
from penstock.manifest import ManifestInfo

__all__ = ["check_learnable"]


def check_learnable(info: ManifestInfo) -> None:
    """Check the training split's targets.

    Raises:
        ConfigError: the manifest has no training split.
        MissingLabel: they are missing, or all the same.
    """
    if info.classes:
        return
    split = info.split("train")
    mean, std = split.target_mean, split.target_std
    if mean is None or std is None:
        raise MissingLabel("no sample of the training split has a target", fix="check the task's label option")
    if not (split.targets_differ and math.isfinite(mean) and math.isfinite(std)):
        raise MissingLabel(
            f"the training split's targets have mean {mean:g} and standard deviation {std:g}, nothing to learn",
            fix="take more subjects or another label",
        )
