"""The transformers of text, without torch until one is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from penstock.errors import ConfigError
from penstock.manifest import ManifestInfo
from penstock.recipes.refusing import unknown_objective
from penstock.recipes.text.names import SIZES

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from penstock.loader.protocols import BatchLoader
    from penstock.recipes.objectives import Objective
    from penstock.recipes.protocols import Watcher

__all__ = ["TextRecipe"]


class TextRecipe:
    """Language models, learnt from packed sequences."""

    models = tuple(SIZES)

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape.

        Raises:
            ConfigError: there is no such network, or it does not.
        """
        if name not in SIZES:
            raise ConfigError(f"there is no text model {name!r}", fix=f"choose one of: {', '.join(self.models)}")
        if len(shape) != 2 or min(shape) < 2:
            raise ConfigError(
                f"text model {name!r} cannot take samples of shape {tuple(shape)}",
                fix="give it sequences of tokens: (tokens of a sequence, tokens that there are)",
            )

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        self.check_model(name, shape)
        from penstock.recipes.text.networks import transformer  # here: torch takes a second

        return transformer(name, num_tokens=num_outputs)

    def make_objective(self, info: ManifestInfo) -> Objective:
        """Return the objective: the token behind each."""
        from penstock.recipes.text.objective import NextToken  # here, likewise

        return NextToken(num_tokens=info.shape[1])

    def objective_from_state(self, state: Mapping[str, str | float | int]) -> Objective:
        """Return the objective that ``state_dict`` described.

        Raises:
            CheckpointCorrupt: it does not describe one.
        """
        from penstock.recipes.text.objective import NextToken  # here, likewise

        num_tokens = state.get("num_tokens")
        if state.get("objective") != "next_token" or not isinstance(num_tokens, int):
            raise unknown_objective(state)
        return NextToken(num_tokens=num_tokens)

    def fed(self, loader: BatchLoader, info: ManifestInfo, *, batch_size: int, is_trained: bool) -> BatchLoader:
        """Return batches of sequences that a loader's texts are packed into."""
        from penstock.recipes.text.feed import PackedScoring, PackedTraining, packing_of  # here, likewise

        packing = packing_of(info)
        kind = PackedTraining if is_trained else PackedScoring
        return kind(loader, packing, batch_size=batch_size)

    def watch(self, info: ManifestInfo) -> Watcher:
        """Look at an evaluation, for its figures."""
        from penstock.recipes.text.watching import Watching  # here, likewise

        return Watching(num_tokens=info.shape[1], length=info.shape[0])

    def expected_samples(self, manifest: Path, info: ManifestInfo, num_samples: int) -> int:
        """Return about how many sequences texts of the training split are packed into."""
        from penstock.recipes.text.feed import expected_sequences  # here, likewise

        return expected_sequences(manifest, info, num_samples)
