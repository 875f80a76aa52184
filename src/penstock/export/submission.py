"""Submission to the NeurIPS 2025 EEG challenge, written by Penstock: needs torch alone.

``Submission(SFREQ, DEVICE)`` gives a network for each challenge: EEG in volts, as MNE reads it, float32 of shape
(batch, 129, 2 s x SFREQ), to the target in its own unit, shape (batch, 1). What scales samples and targets is
within the networks.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from penstock.recipes.eeg.networks import EEGNeX, SmallNet  # replaced by what it names, as it is exported

_NETWORKS = {"small": SmallNet, "eegnex": EEGNeX}
_FLAT = 1e-12
"""A channel whose spread is below this part of its size is flat: what is left is rounding."""
_FOLDERS = ("/app/input/res", "/app/input", ".")
"""Where scorers put files, if not beside this one."""


class _Scaled(nn.Module):
    """A network with what its samples and its answers are scaled by."""

    def __init__(self, network: nn.Module, *, normalize: str, mean: float, std: float) -> None:
        super().__init__()
        self.network = network
        self.normalize, self.mean, self.std = normalize, mean, std

    def forward(self, volts: Tensor) -> Tensor:
        """Shape (B, C, T), volts, to (B, 1), in the target's unit."""
        answers: Tensor = self.network(_normalized(volts, self.normalize))
        return answers.float() * self.std + self.mean


def _normalized(volts: Tensor, normalize: str) -> Tensor:
    """Scale samples as those that were trained on: float32, of the same shape."""
    exact = volts if volts.device.type == "mps" else volts.double()  # which has no float64
    if normalize != "zscore":
        return (exact * (1e6 if normalize == "microvolts" else 1.0)).float()
    spread, mean = torch.std_mean(exact, dim=2, correction=0, keepdim=True)
    is_flat = spread <= _FLAT * exact.abs().amax(dim=2, keepdim=True)
    return ((exact - mean) / spread.masked_fill(is_flat, torch.inf)).float()


class Submission:
    """What the challenge's scorer asks for networks.

    Args:
        SFREQ: samples per second, 100.
        DEVICE: of torch, where the networks are to be.
    """

    def __init__(self, SFREQ: float, DEVICE: Any) -> None:  # noqa: N803
        self.sfreq = SFREQ
        self.device = torch.device(DEVICE)

    def get_model_challenge_1(self) -> nn.Module:
        """Return the network that tells response times, in seconds."""
        return self._network("weights_challenge_1.pt")

    def get_model_challenge_2(self) -> nn.Module:
        """Return the network that tells the externalizing factor."""
        return self._network("weights_challenge_2.pt")

    def _network(self, name: str) -> nn.Module:
        kept = torch.load(_find(name), map_location="cpu", weights_only=True)
        channels, times = kept["shape"]
        if round(2 * self.sfreq) != times:
            raise ValueError(f"the network of {name} was trained on {times / 2:g} samples per second, not {self.sfreq}")
        if kept["file"]:
            network = _own(kept["file"], kept["factory"])(shape=(channels, times), num_outputs=1)
        else:
            network = _NETWORKS[kept["factory"]](num_channels=channels, num_times=times, num_outputs=1)
        network.load_state_dict(kept["weights"])
        scaled = _Scaled(network, normalize=kept["normalize"], mean=kept["target_mean"], std=kept["target_std"])
        return scaled.to(self.device).eval()


def _find(name: str) -> Path:
    for folder in (Path(__file__).resolve().parent, *map(Path, _FOLDERS)):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} lies neither beside {__file__} nor in {', '.join(_FOLDERS)}")


def _own(file: str, factory: str) -> Any:
    """Import the file of a network of one's own, and return what makes the network."""
    spec = importlib.util.spec_from_file_location(file.removesuffix(".py"), _find(file))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, factory)
