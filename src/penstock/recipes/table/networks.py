"""Networks for rows of numbers.

``small`` has two hidden layers of 128 and 64 with ReLU and a little dropout: some 8,500 parameters, and 128 more for
each number of a row. ``linear`` has no hidden layer: it is a linear or a logistic regression.

Shapes: B batch, F numbers of a row, O outputs.
"""

from __future__ import annotations

from torch import nn

__all__ = ["linear", "small"]

HIDDEN = (128, 64)
DROPOUT = 0.1


def small(num_numbers: int, num_outputs: int) -> nn.Module:
    """Make a network from (B, F) to (B, O)."""
    layers: list[nn.Module] = []
    before = num_numbers
    for width in HIDDEN:
        layers += [nn.Linear(before, width), nn.ReLU(), nn.Dropout(DROPOUT)]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, num_outputs))


def linear(num_numbers: int, num_outputs: int) -> nn.Module:
    """Make a linear layer from (B, F) to (B, O)."""
    return nn.Linear(num_numbers, num_outputs)
