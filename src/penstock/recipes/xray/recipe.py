"""The networks for X-rays and how each is trained, without torch until one is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from penstock.manifest import ManifestInfo
from penstock.recipes.protocols import Update, Watcher
from penstock.recipes.refusing import unknown_objective
from penstock.recipes.xray.names import MODEL_NAMES, check_shape

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from penstock.recipes.objectives import Objective

__all__ = ["XrayRecipe"]


@runtime_checkable
class _Introspective(Protocol):
    """A network of an encoder and a decoder that learn from each other, one after the other."""

    encoder: nn.Module
    decoder: nn.Module

    def encoder_loss(self, inputs: Tensor) -> Tensor: ...

    def decoder_loss(self, inputs: Tensor) -> Tensor: ...


class XrayRecipe:
    """Networks that give normal images again, of (1, size, size)."""

    models = MODEL_NAMES

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape.

        Raises:
            ConfigError: it does not.
        """
        check_shape(name, shape)

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        check_shape(name, shape)
        is_small = name.endswith("-small")
        if name.startswith("reversed-autoencoder"):
            from penstock.recipes.xray.reversed_autoencoder import ReversedAutoencoder  # here: torch takes a second

            maps, latent = ((16, 32, 64), 32) if is_small else ((32, 64, 128, 256, 256), 128)
            return ReversedAutoencoder(side=shape[1], maps=maps, latent=latent)
        from penstock.recipes.xray.unet import UNet

        return UNet(
            maps=(16, 32, 64, 64) if is_small else (32, 64, 128, 256, 256),
            disturbance="mask" if "masked" in name else "noise",
        )

    def make_objective(self, info: ManifestInfo) -> Objective:
        """Make the objective of a manifest: images given again."""
        from penstock.recipes.xray.objective import Reconstruction

        return Reconstruction()

    def objective_from_state(self, state: Mapping[str, str | float | int]) -> Objective:
        """Make the objective again.

        Raises:
            CheckpointCorrupt: it is another one.
        """
        from penstock.recipes.xray.objective import Reconstruction

        if dict(state) != Reconstruction().state_dict():
            raise unknown_objective(state)
        return Reconstruction()

    def for_model(self, name: str) -> XrayRecipe:
        """Return the recipe of a network: the reversed autoencoder's two parts learn by turns."""
        return ReversedRecipe() if name.startswith("reversed-autoencoder") else XrayRecipe()

    def watch(self, info: ManifestInfo) -> Watcher:
        """Begin to look for the images to show: found, missed, false alarms, and normal ones."""
        from penstock.recipes.xray.watching import Watching

        return Watching()


class ReversedRecipe(XrayRecipe):
    """How the reversed autoencoder is trained: its encoder and its decoder by turns, each by its own optimiser."""

    def make_optimisers(self, model: nn.Module, *, learning_rate: float, weight_decay: float) -> Sequence[Optimizer]:
        """Make AdamW over the encoder's parameters, and over the decoder's."""
        from torch.optim import AdamW

        parts = _introspective(model)
        return [AdamW(part.parameters(), lr=learning_rate, weight_decay=weight_decay) for part in parts]

    def training_step(
        self, model: nn.Module, batch: Mapping[str, Any], optimisers: Sequence[Optimizer], update: Update
    ) -> tuple[float, int]:
        """Learn from a batch; the loss that is told is the encoder's."""
        inputs = batch["inputs"]
        assert isinstance(model, _Introspective)
        loss = update(model.encoder_loss(inputs), optimisers[0])
        update(model.decoder_loss(inputs), optimisers[1])
        return loss, len(inputs)


def _introspective(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    assert isinstance(model, _Introspective)
    return model.encoder, model.decoder
