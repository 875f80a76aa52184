"""The objective of videos and captions: each picks its own out of those of the batch.

Shapes: B batch, D numbers of a point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from penstock.recipes.objectives import ObjectiveState

__all__ = ["Matching"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """The mean cross entropy of a video's caption among those of the batch, and of a caption's video.

    Captions that say the same are not told apart: they are neither right nor wrong for one another.

    Attributes:
        num_numbers: D.
    """

    num_numbers: int

    @property
    def num_outputs(self) -> int:
        """Those of a video and of a caption."""
        return 2 * self.num_numbers

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Return the mean loss of outputs (B, 2 D) in both directions, in nats, and B."""
        outputs, said = outputs.float(), batch["targets"]
        video, text = outputs[:, : self.num_numbers], outputs[:, self.num_numbers :]
        matches = video @ text.T
        alike = (said[:, None] == said[None]) & ~torch.eye(len(said), dtype=torch.bool, device=said.device)
        matches = matches.masked_fill(alike, -torch.inf)
        own = torch.arange(len(said), device=said.device)
        return (F.cross_entropy(matches, own) + F.cross_entropy(matches.T, own)) / 2, len(said)

    def predictions(self, outputs: Tensor, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return points of videos beside those of captions, shape (B, 2 D)."""
        found: NDArray[np.float64] = outputs.detach().double().cpu().numpy()
        return found

    def truth(self, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return what tells captions apart, shape (B, 1)."""
        found: NDArray[np.float64] = batch["targets"].double().cpu().numpy()[:, None]
        return found

    def state_dict(self) -> ObjectiveState:
        """Return what it is made from again."""
        return {"objective": "matching", "num_numbers": self.num_numbers}
