"""The networks of clips, without torch until one is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigError
from penstock.manifest import ManifestInfo

if TYPE_CHECKING:
    from torch import nn

    from penstock.recipes.clips.shown import Shown

__all__ = ["MODEL_NAMES", "ClipRecipe"]

MODEL_NAMES: Final = ("fusion", "video", "audio")
_SMALLEST_SIDE: Final = 16


class ClipRecipe:
    """Networks for clips: ``frames`` (frames, 3, size, size) and ``mfcc`` (coefficients, steps)."""

    models = MODEL_NAMES

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape.

        Raises:
            ConfigError: it does not.
        """
        if name not in MODEL_NAMES:
            raise ConfigError(f"there is no clip model {name!r}", fix=f"choose one of: {', '.join(MODEL_NAMES)}")
        if len(shape) != 6 or shape[1] != 3 or min(shape[2:4]) < _SMALLEST_SIDE:
            raise ConfigError(
                f"clip model {name!r} cannot take samples of shape {tuple(shape)}",
                fix="give it (frames, 3, size, size, coefficients, steps)",
            )

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        self.check_model(name, shape)
        from penstock.recipes.clips.networks import ClipNet  # here: torch takes a second

        return ClipNet(num_coefficients=shape[4], num_outputs=num_outputs, sees=name != "audio", hears=name != "video")

    def zeros(self, num_samples: int, *, shape: Sequence[int]) -> Any:
        """Return the inputs of some samples of nothing."""
        import torch  # here: it takes a second

        return {
            "frames": torch.zeros(num_samples, *shape[:4], dtype=torch.uint8),
            "mfcc": torch.zeros(num_samples, *shape[4:]),
        }

    def watch(self, info: ManifestInfo) -> Shown:
        """Begin to look at the evaluation of a split, of which some clips are shown."""
        from penstock.recipes.clips.shown import Shown  # here: torch takes a second

        return Shown(info.classes)
