"""A stand-in for torchvision, which MosaicML Streaming imports and this benchmark does not use.

The torchvision that an index gives may be built for another torch than the one on disk, and then fails on import.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types

NAMES = ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional")


def install() -> None:
    """Put the stand-in in torchvision's place; before ``streaming`` is imported."""
    for name in NAMES:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
    sys.modules["torchvision.datasets"].VisionDataset = object  # type: ignore[attr-defined]
    sys.modules["torchvision.transforms.functional"].to_tensor = None  # type: ignore[attr-defined]
