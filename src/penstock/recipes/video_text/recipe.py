"""The networks of videos and captions, without torch until one is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigError
from penstock.manifest import ManifestInfo
from penstock.recipes.refusing import unknown_objective
from penstock.recipes.video_text.names import MODEL_NAMES, NUMBERS

if TYPE_CHECKING:
    from torch import nn

    from penstock.recipes.objectives import Objective
    from penstock.recipes.video_text.shown import Shown

__all__ = ["VideoTextRecipe"]

_SMALLEST_SIDE: Final = 16


class VideoTextRecipe:
    """Networks for frames (frames, 3, size, size) and words."""

    models = MODEL_NAMES

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape.

        Raises:
            ConfigError: it does not.
        """
        if name not in MODEL_NAMES:
            raise ConfigError(f"there is no video-text model {name!r}", fix=f"choose one of: {', '.join(MODEL_NAMES)}")
        if len(shape) != 5 or shape[1] != 3 or min(shape[2:4]) < _SMALLEST_SIDE:
            raise ConfigError(
                f"video-text model {name!r} cannot take samples of shape {tuple(shape)}",
                fix="give it (frames, 3, size, size, words)",
            )

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        self.check_model(name, shape)
        from penstock.recipes.video_text.networks import VideoTextNet  # here: torch takes a second

        return VideoTextNet(num_numbers=num_outputs // 2, is_frozen=name == "frozen")

    def zeros(self, num_samples: int, *, shape: Sequence[int]) -> Any:
        """Return the inputs of some samples of nothing."""
        import torch  # here: it takes a second

        return {
            "frames": torch.zeros(num_samples, *shape[:4], dtype=torch.uint8),
            "frame_count": torch.ones(num_samples, dtype=torch.int64),
            "words": torch.zeros(num_samples, shape[4], dtype=torch.int64),
        }

    def make_objective(self, info: ManifestInfo) -> Objective:
        """Return the objective: each video's caption among those of the batch."""
        from penstock.recipes.video_text.objective import Matching  # here, likewise

        return Matching(num_numbers=NUMBERS)

    def objective_from_state(self, state: Mapping[str, str | float | int]) -> Objective:
        """Return the objective that ``state_dict`` described.

        Raises:
            CheckpointCorrupt: it does not describe one.
        """
        from penstock.recipes.video_text.objective import Matching  # here, likewise

        num_numbers = state.get("num_numbers")
        if state.get("objective") != "matching" or not isinstance(num_numbers, int):
            raise unknown_objective(state)
        return Matching(num_numbers=num_numbers)

    def watch(self, info: ManifestInfo) -> Shown:
        """Begin to look at the evaluation of a split, of which some videos are shown."""
        from penstock.recipes.video_text.shown import Shown  # here, likewise

        return Shown()
