"""The objective of language models: the cross entropy of each next token, and what parts of texts cost.

Shapes: B sequences, L tokens of each, V tokens that there are, P parts of texts in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from penstock.errors import ConfigError
from penstock.recipes.objectives import ObjectiveState
from penstock.tokens import UNLEARNT

__all__ = ["NextToken", "logits_of"]

_ROWS_AT_ONCE: Final = 8
"""Sequences whose probabilities are made at a time where they are scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NextToken:
    """The token behind each.

    Attributes:
        num_tokens: that there are.
    """

    num_tokens: int

    @property
    def num_outputs(self) -> int:
        """One a token."""
        return self.num_tokens

    def loss(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Return the mean cross entropy, in nats, of the tokens that are learnt, and how many they are."""
        logits, targets = logits_of(outputs, self.num_tokens), batch["targets"]
        num_learnt = int((targets != UNLEARNT).sum())
        # An empty sum has the gradient 0 where an empty mean is NaN.
        total = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=UNLEARNT, reduction="sum")
        return total / max(num_learnt, 1), num_learnt

    def predictions(self, outputs: Any, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return what each part's tokens cost, shape (P, 4); see ``penstock.tasks.text.scores.PREDICTED``."""
        logits, targets, parts = logits_of(outputs, self.num_tokens), batch["targets"], batch["parts"]
        shares = getattr(outputs, "shares", None)
        if shares is None:
            shares = torch.full((self.num_tokens,), -math.log(self.num_tokens), device=logits.device)
        found = torch.zeros(len(batch["truth"]), 4, dtype=torch.float64, device=logits.device)
        for first in range(0, len(logits), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            is_learnt = targets[rows] != UNLEARNT
            right, scores = targets[rows][is_learnt], logits[rows][is_learnt].float()
            costs = F.cross_entropy(scores, right, reduction="none").double()
            hits = (scores.argmax(dim=1) == right).double()
            commonest = (right == shares.argmax()).double()
            columns = torch.stack([costs, hits, -shares[right].double(), commonest], dim=1)
            # On the CPU, where sums are the same each time.
            found = found.cpu().index_add_(0, parts[rows][is_learnt].cpu(), columns.cpu())
        answer: NDArray[np.float64] = found.cpu().numpy()
        return answer

    def truth(self, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return what each part has, shape (P, 3); see ``penstock.tasks.text.scores.TRUTH``."""
        found: NDArray[np.float64] = batch["truth"].cpu().numpy()
        return found

    def state_dict(self) -> ObjectiveState:
        """Return what it is made from again."""
        return {"objective": "next_token", "num_tokens": self.num_tokens}


def logits_of(outputs: Any, num_tokens: int) -> Tensor:
    """Return the logits of a network's answer, shape (B, L, V): itself, or what it has by that name.

    Raises:
        ConfigError: it has none of that shape.
    """
    found = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    if not isinstance(found, Tensor) or found.ndim != 3 or found.shape[2] != num_tokens:
        told = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(outputs).__name__}"
        raise ConfigError(
            f"the model gave {told}, not logits of shape (sequences, tokens, {num_tokens})",
            fix="let it give logits of each token, as a tensor or by the name `logits`",
        )
    return found
