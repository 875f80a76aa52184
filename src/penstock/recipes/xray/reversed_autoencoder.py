"""The Reversed Autoencoder: an introspective variational autoencoder that must also find its reconstructions normal.

Written from the papers alone: Bercea, Rueckert and Schnabel, "Generalizing unsupervised anomaly detection: towards
unbiased pathology screening" (MIDL 2023), and Bercea, Wiestler, Rueckert and Schnabel, "Towards universal unsupervised
anomaly detection in medical imaging" (arXiv 2401.10637), which add a loss of reversed embeddings to Soft-IntroVAE
(Daniel and Tamar, CVPR 2021).

With the encoder E, the decoder D, ELBO(x) = -(reconstruction error + KL divergence), and z of the prior:

- the encoder learns to raise ELBO(x), and to lower exp(2 ELBO) of what the decoder made, D(z) and D(E(x));
- the decoder learns to raise ELBO(x), and that the encoder takes what it made for real;
- both learn that at each level of the encoder x and D(E(x)) have the same embedding: the sum of 1 - cosine and half the
  mean squared difference. So a reconstruction is a likely normal image *near* x, and not a blurred mean.

The anomaly map is the residual times the distance of the encoder's own embeddings of x and of its reconstruction, both
smoothed. The papers take LPIPS there, of a network with trained weights of natural images; none is loaded here.

Shapes: B batch, S size, Z latent numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penstock.recipes.xray.maps import residual_map, smoothed

__all__ = ["ReversedAutoencoder"]

_KL_WEIGHT: Final = 0.02
"""Of the KL divergence beside the summed squared error, for real images."""
_FAKE_KL_WEIGHT: Final = 0.5
"""Likewise, for images that the decoder made: what the two compete by."""
_REVERSED_WEIGHT: Final = 0.2
_MOST_LOG_VARIANCE: Final = 8.0


class ReversedAutoencoder(nn.Module):
    """Encoder and decoder of as many levels as there are numbers of maps.

    Args:
        side: of a sample.
        maps: of each level, the finest first; each halves the sides.
        latent: numbers that an image becomes.
    """

    def __init__(self, *, side: int, maps: Sequence[int], latent: int) -> None:
        super().__init__()
        self.encoder = _Encoder(side=side, maps=maps, latent=latent)
        self.decoder = _Decoder(side=side, maps=maps, latent=latent)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Give images (B, 1, S, S) again, by the means of their latent numbers, with an anomaly map."""
        mean, _, embeddings = self.encoder(inputs)
        found = self.decoder(mean)
        _, _, again = self.encoder(found)
        far = torch.zeros_like(inputs)
        for one, other in zip(embeddings, again, strict=True):
            distance = 1 - F.cosine_similarity(one, other, dim=1, eps=1e-6).unsqueeze(1)
            far = far + F.interpolate(distance, size=inputs.shape[2:])
        return {"reconstruction": found, "map": residual_map(inputs, found) * smoothed(far)}

    def encoder_loss(self, inputs: Tensor) -> Tensor:
        """Return what the encoder learns to lower."""
        noise = torch.randn(len(inputs), self.decoder.latent, device=inputs.device)
        mean, log_variance, embeddings = self.encoder(inputs)
        found = self.decoder(_drawn(mean, log_variance))
        scale = 1 / inputs[0].numel()
        real = _error(found, inputs) + _KL_WEIGHT * _divergence(mean, log_variance)
        loss = scale * real.mean() + _REVERSED_WEIGHT * _reversed_loss(embeddings, self.encoder(found)[2])
        for made in (found.detach(), self.decoder(noise).detach()):
            elbo = self._elbo(made, scale)
            loss = loss + 0.25 * torch.exp(-2 * elbo).mean()
        return loss

    def decoder_loss(self, inputs: Tensor) -> Tensor:
        """Return what the decoder learns to lower."""
        noise = torch.randn(len(inputs), self.decoder.latent, device=inputs.device)
        with torch.no_grad():
            mean, log_variance, embeddings = self.encoder(inputs)
        found = self.decoder(_drawn(mean, log_variance))
        scale = 1 / inputs[0].numel()
        again_mean, again_log_variance, again = self.encoder(found)
        made_mean, made_log_variance, _ = self.encoder(self.decoder(noise))
        taken_for_real = _divergence(again_mean, again_log_variance) + _divergence(made_mean, made_log_variance)
        loss = scale * (_error(found, inputs) + _KL_WEIGHT * 0.5 * taken_for_real).mean()
        return loss + _REVERSED_WEIGHT * _reversed_loss(embeddings, again)

    def _elbo(self, made: Tensor, scale: float) -> Tensor:
        """Return how far an image is from being taken for real, shape (B,): the negative ELBO."""
        mean, log_variance, _ = self.encoder(made)
        found = self.decoder(_drawn(mean, log_variance))
        return scale * (_error(found, made) + _FAKE_KL_WEIGHT * _divergence(mean, log_variance))


class _Encoder(nn.Module):
    """Strided convolutions; gives means and log variances (B, Z), and the embeddings of all levels."""

    def __init__(self, *, side: int, maps: Sequence[int], latent: int) -> None:
        super().__init__()
        before = [1, *maps[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(fine, coarse, 4, stride=2, padding=1), nn.GroupNorm(8, coarse), nn.LeakyReLU(0.2))
            for fine, coarse in zip(before, maps, strict=True)
        )
        self.last = nn.Linear(maps[-1] * (side >> len(maps)) ** 2, 2 * latent)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        embeddings = []
        now = inputs
        for level in self.levels:
            now = level(now)
            embeddings.append(now)
        mean, log_variance = self.last(now.flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-_MOST_LOG_VARIANCE, _MOST_LOG_VARIANCE), embeddings


class _Decoder(nn.Module):
    """The way back: latent numbers (B, Z) to images."""

    def __init__(self, *, side: int, maps: Sequence[int], latent: int) -> None:
        super().__init__()
        self.latent = latent
        self._shape = (maps[-1], side >> len(maps), side >> len(maps))
        self.first = nn.Linear(latent, self._shape[0] * self._shape[1] ** 2)
        after = [*reversed(maps[:-1]), maps[0]]
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(coarse, fine, 2, stride=2),
                nn.Conv2d(fine, fine, 3, padding=1),
                nn.GroupNorm(8, fine),
                nn.LeakyReLU(0.2),
            )
            for coarse, fine in zip(reversed(maps), after, strict=True)
        )
        self.last = nn.Conv2d(after[-1], 1, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        now = self.first(latent).view(len(latent), *self._shape)
        for level in self.levels:
            now = level(now)
        found: Tensor = torch.sigmoid(self.last(now))
        return found


def _drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    return mean + torch.randn_like(mean) * (log_variance / 2).exp()


def _error(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the summed squared error of each image, shape (B,)."""
    return (found.float() - wanted.float()).square().flatten(1).sum(dim=1)


def _divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the KL divergence of each image's latent numbers from the prior, shape (B,)."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def _reversed_loss(embeddings: Sequence[Tensor], again: Sequence[Tensor]) -> Tensor:
    total = embeddings[0].new_zeros(())
    for one, other in zip(embeddings, again, strict=True):
        alike = F.cosine_similarity(one.flatten(1), other.flatten(1), dim=1).mean()
        total = total + (1 - alike) + 0.5 * F.mse_loss(other, one)
    return total
