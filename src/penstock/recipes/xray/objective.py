"""What networks for X-rays are trained for: to give normal images again.

Shapes: B batch, S size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from penstock.errors import ConfigError
from penstock.recipes.objectives import ObjectiveState
from penstock.recipes.xray.maps import answers_of_boxes, residual_map, scores_of

__all__ = ["Reconstruction", "map_of", "reconstruction_of"]


def reconstruction_of(outputs: Any, inputs: Tensor) -> Tensor:
    """Return the reconstruction of what a network gave: itself, or a dictionary's ``reconstruction``.

    Raises:
        ConfigError: there is none of the images' shape.
    """
    found = outputs.get("reconstruction") if isinstance(outputs, Mapping) else outputs
    if not isinstance(found, Tensor) or found.shape != inputs.shape:
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(
            f"the network gives {given} for images of shape {tuple(inputs.shape)}",
            fix="let it give images again, of the same shape, or a dictionary that has them as 'reconstruction'",
        )
    return found


def map_of(outputs: Any, inputs: Tensor) -> Tensor:
    """Return the anomaly map that a network gave, else the residual, shape (B, 1, S, S)."""
    found = outputs.get("map") if isinstance(outputs, Mapping) else None
    if isinstance(found, Tensor):
        return found.float()
    return residual_map(inputs.float(), reconstruction_of(outputs, inputs).float())


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconstruction:
    """Mean squared error of images given again; in places that were hidden alone, where some were."""

    @property
    def num_outputs(self) -> int:
        """One channel, as images have."""
        return 1

    def loss(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Return the mean error of a batch's images, and how many they are."""
        inputs: Tensor = batch["inputs"].float()
        error = (reconstruction_of(outputs, inputs).float() - inputs).square()
        hidden = outputs.get("hidden") if isinstance(outputs, Mapping) else None
        if isinstance(hidden, Tensor):
            each = (error * hidden).flatten(1).sum(dim=1) / hidden.flatten(1).sum(dim=1).clamp(min=1)
            return each.mean(), len(inputs)
        return error.mean(), len(inputs)

    def predictions(self, outputs: Any, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return the score and what the map says of boxes, shape (B, 4)."""
        maps = map_of(outputs, batch["inputs"])
        scores = scores_of(maps).detach().double().cpu().numpy()
        return np.concatenate([scores[:, np.newaxis], answers_of_boxes(maps, batch["boxes"])], axis=1)

    def truth(self, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return whether there is a finding, and each one, shape (B, 15)."""
        targets: NDArray[np.float64] = batch["targets"].double().cpu().numpy()
        findings: NDArray[np.float64] = batch["findings"].double().cpu().numpy()
        return np.concatenate([targets[:, np.newaxis], findings], axis=1)

    def state_dict(self) -> ObjectiveState:
        """Return what it is made from again."""
        return {"objective": "reconstruction"}
