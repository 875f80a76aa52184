"""A network for images, from arrays of (channels, height, width) to one row of outputs a sample.

``small`` is for a laptop's cores and small images: four blocks of two 3 x 3 convolutions (16, 32, 64 and 96 maps)
with pooling to the half between them, but for the last, then the mean of each map and a linear layer; about 220,000
parameters. A pass over an image of 64 x 64 and back takes a core some 2 ms.

Shapes: B batch, C channels, H height, W width, O outputs.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SmallImageNet"]

_MAPS = (16, 32, 64, 96)


class SmallImageNet(nn.Module):
    """Convolutions, pooling and a linear layer; images of any size from 16 pixels on."""

    def __init__(self, *, num_channels: int, num_outputs: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = num_channels
        for number, maps in enumerate(_MAPS):
            blocks += [
                nn.Conv2d(before, maps, 3, padding=1, bias=False),
                nn.BatchNorm2d(maps),
                nn.ReLU(),
                nn.MaxPool2d(2) if number < len(_MAPS) - 1 else nn.Identity(),
                nn.Conv2d(maps, maps, 3, padding=1, bias=False),
                nn.BatchNorm2d(maps),
                nn.ReLU(),
            ]
            before = maps
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(before, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (B, C, H, W) to (B, O)."""
        means = self.blocks(inputs).mean(dim=(2, 3))
        outputs: Tensor = self.head(self.dropout(means))
        return outputs
