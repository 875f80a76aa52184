"""Domain adaptation: features of a target domain, whose labels are not known, are made like those of the source.

A sample whose target is not known (NaN) is of the target domain, any other of the source.

Shapes: B batch, F features, S samples of the source, T of the target domain.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penstock.errors import ConfigError
from penstock.recipes.protocols import OwnOptimisers, OwnStep
from penstock.train.config import TrainConfig

__all__ = ["WEIGHTS", "Adaptation", "adaptation_of", "coral_loss", "dann_factor", "mmd_loss", "reversed_gradient"]

log = logging.getLogger(__name__)

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({"dann": 0.5, "mmd": 1.0, "coral": 1000.0})
"""What each part of the loss counts unless told: see ``benchmarks/adaptation``."""
_LEAST: Final = 2
"""Samples of each domain in a batch: fewer have no covariance."""
_HIDDEN: Final = 64
_STEEPNESS: Final = 10.0
_BANDWIDTHS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels, in medians."""


def dann_factor(done: float) -> float:
    """Return what the reversed gradient is multiplied with, 0 to 1, when a part of the training is done.

    Ganin et al., "Domain-adversarial training of neural networks", JMLR 17, 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-_STEEPNESS * done)) - 1


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return gradients[0] * -ctx.factor, None


def reversed_gradient(features: Tensor, factor: float) -> Tensor:
    """Return the features as they are; their gradient comes back with the opposite sign, times the factor."""
    return cast("Tensor", _Reverse.apply(features, factor))  # type: ignore[no-untyped-call]


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """Return how far the covariances of (S, F) and (T, F) are apart.

    Sun and Saenko, "Deep CORAL", ECCV 2016 workshops, equation 1: the squared Frobenius norm over 4 F^2.
    """
    difference = torch.cov(source.T) - torch.cov(target.T)
    return (difference * difference).sum() / (4 * source.shape[1] ** 2)


def mmd_loss(source: Tensor, target: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy of (S, F) and (T, F), biased, so never below 0.

    By the mean of RBF kernels, whose bandwidths are multiples of the median squared distance of all pairs.
    Gretton et al., "A kernel two-sample test", JMLR 13, 2012; Long et al., "Learning transferable features with deep
    adaptation networks", ICML 2015.
    """
    both, num_source = torch.cat([source, target]), len(source)
    squares = both.square().sum(dim=1)
    distances = (squares[:, None] + squares - 2 * both @ both.T).clamp(min=0)
    pairs = distances.detach()[~torch.eye(len(both), dtype=torch.bool, device=both.device)]
    median = pairs.median().clamp(min=torch.finfo(both.dtype).tiny ** 0.5)
    kernel = sum((torch.exp(-distances / (median * each)) for each in _BANDWIDTHS), torch.zeros_like(distances))
    kernel = kernel / len(_BANDWIDTHS)
    within = kernel[:num_source, :num_source].mean() + kernel[num_source:, num_source:].mean()
    return within - 2 * kernel[:num_source, num_source:].mean()


_DISTANCES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {"coral": coral_loss, "mmd": mmd_loss}


class Adaptation:
    """The part of a loss that domains are made alike by.

    Args:
        model: has ``features(inputs)`` and ``head``, which is linear.
        weight: what it counts; None takes that of ``WEIGHTS``.

    Attributes:
        module: what is trained beside the network: the classifier of domains, or nothing.
    """

    def __init__(self, model: nn.Module, *, method: str, weight: float | None) -> None:
        self._model, self._method = model, method
        self._weight = WEIGHTS[method] if weight is None else weight
        head = cast("nn.Linear", model.head)
        self.module = nn.Sequential()
        if method == "dann":
            # scaled by each batch: else the network escapes the classifier by larger features, and its loss runs away
            scale = nn.BatchNorm1d(head.in_features, affine=False, track_running_stats=False)
            self.module = nn.Sequential(scale, nn.Linear(head.in_features, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1))
            self.module.to(head.weight.device)
        self._is_told = False

    def forward(self, inputs: Any) -> tuple[Tensor, Tensor]:
        """Return what the network gives, and its features, (B, F)."""
        features = cast("Any", self._model).features(inputs)
        return cast("Any", self._model).head(features), features

    def loss(self, features: Tensor, targets: Tensor, *, done: float) -> Tensor | None:
        """Return the part of a batch's loss; None, which is told once, where a domain has fewer than two samples in it.

        Args:
            features: (B, F), of float32.
            targets: (B,), NaN in the target domain.
            done: part of all steps that are done, 0 to 1.
        """
        is_source = torch.isfinite(targets)
        source, target = features[is_source], features[~is_source]
        if min(len(source), len(target)) < _LEAST:
            self._tell(len(source), len(target))
            return None
        if self._method != "dann":
            return self._weight * _DISTANCES[self._method](source, target)
        factor = dann_factor(min(done, 1.0))
        told_of = self.module(reversed_gradient(torch.cat([source, target]), factor))
        of_source, of_target = told_of[: len(source)], told_of[len(source) :]
        told = F.softplus(of_source).mean() + F.softplus(-of_target).mean()  # cross entropy, each domain alike
        return self._weight * told / 2

    def _tell(self, num_source: int, num_target: int) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning(
                "a batch has %d samples of the source domain and %d of the target: it is learnt from without "
                "--adapt %s (told once; a larger --batch-size has fewer of them)",
                num_source,
                num_target,
                self._method,
            )


def adaptation_of(model: nn.Module, config: TrainConfig, *, recipe: object) -> Adaptation | None:
    """Return the adaptation that was asked for.

    Raises:
        ConfigError: the network has no features that it could take.
    """
    if config.adapt == "none":
        return None
    features, head = getattr(model, "features", None), getattr(model, "head", None)
    has_own = isinstance(recipe, OwnStep | OwnOptimisers)
    if has_own or not callable(features) or not isinstance(head, nn.Linear):
        why = "is trained in a way of its own" if has_own else "has no method features and linear layer head"
        raise ConfigError(
            f"--adapt {config.adapt} is given, and the model {config.model!r} {why}",
            fix="leave it out, or let your network's forward be self.head(self.features(inputs))",
        )
    return Adaptation(model, method=config.adapt, weight=config.adapt_weight)
