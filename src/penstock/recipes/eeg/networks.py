"""Networks for EEG, from arrays of (channels, times) to one row of outputs a sample.

``small`` is for a laptop's cores: 16 spatial components, one temporal convolution, about 10 000
parameters at 129 x 200. ``eegnex`` follows EEGNeX-8,32 (Chen, Teng, Chen, Pan and Geyer, "Toward reliable
signals decoding for electroencephalogram: a benchmark study to EEGNeX", Biomedical Signal Processing and
Control 87, 2024; arXiv 2207.12369), about 62 000 parameters at 129 x 200.

Both scale their input by one running standard deviation, so that volts and microvolts train alike.

Shapes: B batch, C channels, T times, F features, O outputs.
The file stands by itself: it imports torch alone, and is written into what is exported.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EEGNeX", "SmallNet"]

_TINY_VARIANCE = 1e-20
"""In squared input units: far below the 1e-10 of EEG in volts, so that only a signal that is not there is flat."""


class _Scale(nn.Module):
    """Takes each channel's mean off each sample, and divides by one standard deviation of all samples."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=_TINY_VARIANCE, affine=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (B, C, T) to the same shape."""
        centred = inputs - inputs.mean(dim=2, keepdim=True)
        scaled: Tensor = self.norm(centred.unsqueeze(1))
        return scaled.squeeze(1)


class SmallNet(nn.Module):
    """A spatial filter, a temporal convolution, pooling and a linear layer."""

    def __init__(self, *, num_channels: int, num_times: int, num_outputs: int) -> None:
        super().__init__()
        components, maps, pool = 16, 24, 8
        self.scale = _Scale()
        self.spatial = nn.Conv1d(num_channels, components, 1, bias=False)
        self.spatial_norm = nn.BatchNorm1d(components)
        self.temporal = nn.Conv1d(components, maps, 15, padding=7, bias=False)
        self.temporal_norm = nn.BatchNorm1d(maps)
        self.pool = nn.AvgPool1d(pool)
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(maps * (num_times // pool), num_outputs)

    def features(self, inputs: Tensor) -> Tensor:
        """Shape (B, C, T) to what the head takes, (B, F)."""
        components = self.spatial_norm(self.spatial(self.scale(inputs)))
        maps = F.elu(self.temporal_norm(self.temporal(components)))
        found: Tensor = self.dropout(self.pool(maps)).flatten(1)
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (B, C, T) to (B, O)."""
        outputs: Tensor = self.head(self.features(inputs))
        return outputs


class EEGNeX(nn.Module):
    """Five blocks: two temporal convolutions, a spatial one, two dilated ones; then a linear layer.

    The paper's first three blocks (8 filters of 64 taps, 32 of 8 x 64, two spatial filters for each of the
    32) have no activation between them. So they are one linear map, and it is computed in the cheap order:
    space first, then time with the two temporal kernels convolved into one of 127 taps. The parameters are
    the paper's; the arithmetic of these blocks falls by a factor of 130 at 129 channels. What is left
    out: the batch normalisation inside the linear part, whose work the one after it does, and the paper's
    bounds on weight norms.
    """

    def __init__(self, *, num_channels: int, num_times: int, num_outputs: int) -> None:
        super().__init__()
        first, second, depth, taps = 8, 32, 2, 64
        maps = second * depth
        self.scale = _Scale()
        self.temporal_1 = nn.Conv1d(1, first, taps, bias=False)
        self.temporal_2 = nn.Conv1d(first, second, taps, bias=False)
        self.spatial = nn.Conv1d(num_channels, maps, 1, bias=False)
        self.spatial_norm = nn.BatchNorm1d(maps)
        self.spatial_pool = nn.Sequential(nn.ELU(), nn.AvgPool1d(4), nn.Dropout(0.5))
        self.dilated = nn.Sequential(
            nn.Conv1d(maps, second, 16, dilation=2, padding="same", bias=False),
            nn.BatchNorm1d(second),
            nn.Conv1d(second, first, 16, dilation=4, padding="same", bias=False),
            nn.BatchNorm1d(first),
        )
        self.dilated_pool = nn.Sequential(nn.ELU(), nn.AvgPool1d(8), nn.Dropout(0.5))
        self.head = nn.Linear(first * (num_times // 4 // 8), num_outputs)

    def kernel(self) -> Tensor:
        """Return the two temporal blocks as one kernel: shape (maps, 1, 127)."""
        first, second = self.temporal_1.weight, self.temporal_2.weight
        taps = first.shape[2]
        joined = F.conv1d(first.transpose(0, 1), second.flip(2), padding=taps - 1)
        maps_per_filter = self.spatial.out_channels // second.shape[0]
        return joined.transpose(0, 1).repeat_interleave(maps_per_filter, dim=0)

    def features(self, inputs: Tensor) -> Tensor:
        """Shape (B, C, T) to what the head takes, (B, F)."""
        kernel = self.kernel()
        mixed = self.spatial(self.scale(inputs))
        filtered = F.conv1d(mixed, kernel, padding=kernel.shape[2] // 2, groups=kernel.shape[0])
        maps = self.spatial_pool(self.spatial_norm(filtered))
        found: Tensor = self.dilated_pool(self.dilated(maps)).flatten(1)
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (B, C, T) to (B, O)."""
        outputs: Tensor = self.head(self.features(inputs))
        return outputs
