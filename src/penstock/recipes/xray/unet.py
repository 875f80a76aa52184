"""A U-Net that gives images again of which something was taken.

Its connections around each halving would let it copy whatever it is given, so it learns from images that are disturbed:

- ``noise``: with coarse noise, drawn at an eighth of the size and enlarged, so that it has the size of findings and not
  of pixels (Kascenas, Pugeault and O'Neil, "Denoising autoencoders for unsupervised anomaly detection in brain MRI",
  MIDL 2022). Undisturbed images are scored: what is not normal is taken for noise, and away.
- ``mask``: with squares of an eighth of the side hidden, half of them by chance (after He et al., "Masked autoencoders
  are scalable vision learners", CVPR 2022, and Zavrtanik, Kristan and Skocaj, "Reconstruction by inpainting for visual
  anomaly detection", Pattern Recognition 2021). Images are scored as a chessboard of squares hidden, then its opposite,
  so each place is told from those around it.

Shapes: B batch, S size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from penstock.recipes.xray.maps import residual_map

__all__ = ["Disturbance", "UNet"]

Disturbance = Literal["noise", "mask"]

_COARSE: Final = 8
"""Of noise's and masks' squares along a side."""
_NOISE_STD: Final = 0.2
_HIDDEN_SHARE: Final = 0.5


class UNet(nn.Module):
    """Two convolutions a level, halvings by strides, connections around them.

    Args:
        maps: of each level, the finest first.
    """

    def __init__(self, *, maps: Sequence[int], disturbance: Disturbance) -> None:
        super().__init__()
        self._disturbance = disturbance
        self.first = _block(1, maps[0])
        pairs = list(itertools.pairwise(maps))
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.inner = nn.ModuleList(_block(coarse, coarse) for _, coarse in pairs)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in reversed(pairs))
        self.outer = nn.ModuleList(_block(2 * fine, fine) for fine, _ in reversed(pairs))
        self.last = nn.Conv2d(maps[0], 1, 1)
        self._computes_again = False

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Hold on to less for the way back, and compute it again there: less memory, a third more time."""
        self._computes_again = enable

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Give images (B, 1, S, S) again; in evaluation with an anomaly map, in training with what was hidden."""
        if self.training:
            return self._of_disturbed(inputs)
        found = self._reconstructed(inputs) if self._disturbance == "noise" else self._filled_in(inputs)
        return {"reconstruction": found, "map": residual_map(inputs, found)}

    def _of_disturbed(self, inputs: Tensor) -> dict[str, Tensor]:
        if self._disturbance == "noise":
            return {"reconstruction": self._reconstructed(inputs + _coarse_noise(inputs))}
        hidden = (_coarse(torch.rand, inputs) < _HIDDEN_SHARE).to(inputs.dtype)
        return {"reconstruction": self._reconstructed(_without(inputs, hidden)), "hidden": hidden}

    def _filled_in(self, inputs: Tensor) -> Tensor:
        """Give each place by what is around it."""
        side = torch.arange(_COARSE, device=inputs.device)
        board = ((side[:, None] + side) % 2).to(inputs.dtype)[None, None]
        hidden = F.interpolate(board, size=inputs.shape[2:])
        first = self._reconstructed(_without(inputs, hidden))
        second = self._reconstructed(_without(inputs, 1 - hidden))
        return first * hidden + second * (1 - hidden)

    def _reconstructed(self, disturbed: Tensor) -> Tensor:
        now = self._block(self.first, disturbed)
        around = []
        for down, block in zip(self.downs, self.inner, strict=True):
            around.append(now)
            now = self._block(block, down(now))
        for up, block in zip(self.ups, self.outer, strict=True):
            now = self._block(block, torch.cat([up(now), around.pop()], dim=1))
        found: Tensor = self.last(now)
        return found

    def _block(self, block: nn.Module, inputs: Tensor) -> Tensor:
        again = self._computes_again and torch.is_grad_enabled()
        found: Tensor = checkpoint(block, inputs, use_reentrant=False) if again else block(inputs)
        return found


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for maps in (before, after):
        layers += [nn.Conv2d(maps, after, 3, padding=1), nn.GroupNorm(_groups(after), after), nn.SiLU()]
    return nn.Sequential(*layers)


def _groups(maps: int) -> int:
    return 8 if maps % 8 == 0 else 1


def _coarse_noise(inputs: Tensor) -> Tensor:
    """Return noise of squares; of each image as strong as chance has it, so that little is undone too."""
    strength = torch.rand(len(inputs), 1, 1, 1, device=inputs.device, dtype=inputs.dtype)
    return _coarse(torch.randn, inputs) * _NOISE_STD * 2 * strength


def _coarse(draw: object, inputs: Tensor) -> Tensor:
    """Draw a number a square, and shift the squares by chance, so that their borders are anywhere."""
    assert callable(draw)
    side = inputs.shape[-1] // _COARSE
    drawn = draw(len(inputs), 1, _COARSE, _COARSE, device=inputs.device, dtype=inputs.dtype)
    large = F.interpolate(drawn, size=inputs.shape[2:])
    down, across = torch.randint(0, side, (2,)).tolist()
    return torch.roll(large, (down, across), dims=(2, 3))


def _without(inputs: Tensor, hidden: Tensor) -> Tensor:
    """Put an image's own mean where something is hidden."""
    mean = inputs.mean(dim=(1, 2, 3), keepdim=True)
    return inputs * (1 - hidden) + mean * hidden
