"""A network for videos and captions: each becomes a point on a sphere, near those that it belongs to.

Frames go through three convolutions, whose weights are drawn once and stay (``frozen``) or are learnt (``trained``);
what is taken of each is the mean and the maximum of each map, and its pixels as a picture of 4 x 4. A video is the mean
of its frames, and how they differ. A caption is the mean of what is learnt of its words. Two layers each make the
points (as Radford et al. 2021, "Learning transferable visual models from natural language supervision", have two towers
with a learnt scale).

Shapes: B batch, N frames, S size, W words, D numbers of a point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penstock.tasks.video_text.settings import VOCABULARY

__all__ = ["VideoTextNet"]

_MAPS = (32, 48, 64)
_COARSE = 4
_HIDDEN = 128
_FIRST_SCALE, _MOST_SCALE = 1 / 0.07, 100.0


class _Frames(nn.Module):
    """(B, N, 3, S, S) of bytes to (B, features)."""

    num_features = 2 * (2 * _MAPS[-1] + 3 * _COARSE * _COARSE)

    def __init__(self, *, is_frozen: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for maps in _MAPS:
            layers += [nn.Conv2d(before, maps, 5, stride=2, padding=2), nn.ReLU()]
            before = maps
        self.layers = nn.Sequential(*layers)
        if is_frozen:
            self.layers.requires_grad_(False)

    def forward(self, frames: Tensor, counts: Tensor) -> Tensor:
        batch, number = frames.shape[:2]
        pixels = frames.flatten(0, 1).float() / 255.0 - 0.5
        maps = self.layers(pixels)
        coarse = F.adaptive_avg_pool2d(pixels, _COARSE).flatten(1)
        each = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)), coarse], dim=1).view(batch, number, -1)
        there = (torch.arange(number, device=frames.device) < counts[:, None]).to(each.dtype)[..., None]
        shares = there / there.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (each * shares).sum(dim=1)
        spread = ((each - mean[:, None]).square() * shares).sum(dim=1)
        return torch.cat([mean, (spread + 1e-6).sqrt()], dim=1)


def _to_point(num_features: int, num_outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(num_features, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, num_outputs))


class VideoTextNet(nn.Module):
    """Two towers.

    Args:
        num_numbers: D, of a point.
        is_frozen: whether convolutions stay as they are drawn.
    """

    def __init__(self, *, num_numbers: int, is_frozen: bool) -> None:
        super().__init__()
        self.frames = _Frames(is_frozen=is_frozen)
        self.scale_features = nn.BatchNorm1d(self.frames.num_features, affine=False)
        self.video_point = _to_point(self.frames.num_features, num_numbers)
        self.words = nn.Embedding(VOCABULARY, _HIDDEN, padding_idx=0)
        self.text_point = _to_point(_HIDDEN, num_numbers)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return videos, by the learnt scale from the middle, beside captions at 1, (B, 2 D).

        Args:
            inputs: ``frames``, uint8, (B, N, 3, S, S); ``frame_count``, (B,); ``words``, (B, W), 0 behind the last.
        """
        features = self.scale_features(self.frames(inputs["frames"], inputs["frame_count"]))
        video = F.normalize(self.video_point(features), dim=1)
        words = inputs["words"]
        there = (words > 0).sum(dim=1, keepdim=True).clamp(min=1)
        text = F.normalize(self.text_point(self.words(words).sum(dim=1) / there), dim=1)
        return torch.cat([video * self.log_scale.exp().clamp(max=_MOST_SCALE), text], dim=1)
