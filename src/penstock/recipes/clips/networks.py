"""A network for clips: what is seen and what is heard, each summed up over time, then told together.

Each frame goes through four 3 x 3 convolutions of stride 2 (8, 16, 24 and 32 maps) to the mean of each map; two
convolutions over time then look at neighbouring frames. The coefficients of the sound, scaled by their running means
and deviations, go through two convolutions over time. Means and maxima over time of both are one vector, and a hidden
layer of 64 tells the class: about 33,000 parameters.

Shapes: B batch, N frames, S size, M coefficients, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["ClipNet"]

_MAPS = (8, 16, 24, 32)
_TIMED = 32


class _OverTime(nn.Module):
    """Two convolutions over time, then mean and maximum: (B, channels, T) to (B, 64)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, _TIMED, 5, padding=2, bias=False),
            nn.BatchNorm1d(_TIMED),
            nn.ReLU(),
            nn.Conv1d(_TIMED, _TIMED, 5, padding=2, bias=False),
            nn.BatchNorm1d(_TIMED),
            nn.ReLU(),
        )

    def forward(self, values: Tensor) -> Tensor:
        timed = self.layers(values)
        return torch.cat([timed.mean(dim=2), timed.amax(dim=2)], dim=1)


class _Frames(nn.Module):
    """(B, N, 3, S, S) of bytes to (B, 64)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for maps in _MAPS:
            layers += [nn.Conv2d(before, maps, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
            before = maps
        self.layers = nn.Sequential(*layers)
        self.over_time = _OverTime(before)

    def forward(self, frames: Tensor) -> Tensor:
        batch, count = frames.shape[:2]
        scaled = frames.flatten(0, 1).float() / 255.0 - 0.5
        means = self.layers(scaled).mean(dim=(2, 3))
        summed: Tensor = self.over_time(means.view(batch, count, -1).transpose(1, 2))
        return summed


class _Sound(nn.Module):
    """(B, M, T) to (B, 64)."""

    def __init__(self, num_coefficients: int) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(num_coefficients, affine=False)
        self.over_time = _OverTime(num_coefficients)

    def forward(self, mfcc: Tensor) -> Tensor:
        summed: Tensor = self.over_time(self.scale(mfcc))
        return summed


class ClipNet(nn.Module):
    """What is seen, what is heard, or both.

    Args:
        sees: takes the frames.
        hears: takes the coefficients of the sound.
    """

    def __init__(self, *, num_coefficients: int, num_outputs: int, sees: bool, hears: bool) -> None:
        super().__init__()
        self.frames = _Frames() if sees else None
        self.sound = _Sound(num_coefficients) if hears else None
        width = 2 * _TIMED * (sees + hears)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, num_outputs))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """``frames``, uint8, (B, N, 3, S, S), and ``mfcc``, (B, M, T), to (B, O)."""
        parts = [] if self.frames is None else [self.frames(inputs["frames"])]
        parts += [] if self.sound is None else [self.sound(inputs["mfcc"])]
        outputs: Tensor = self.head(torch.cat(parts, dim=1))
        return outputs
