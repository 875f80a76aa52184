"""A transformer that gives each token of a sequence by those before it in its text.

A decoder after GPT-2 (Radford et al. 2019) with what came since: RMSNorm before each part (arXiv 1910.07467), rotary
positions (arXiv 2104.09864), SwiGLU (arXiv 2002.05202), no biases, and one matrix for the tokens that are read and
those that are given (arXiv 1608.05859). Attention stays in a text: positions begin anew in each, and a token sees those
of its own text alone.

It counts the tokens that it is trained on, so that a checkpoint tells what naming each by its share would score.

Shapes: B sequences, L tokens of each, D width, H heads, V tokens that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from penstock.errors import ConfigError
from penstock.recipes.text.names import SIZES, Size

__all__ = ["Answer", "Transformer", "attention_mask", "transformer"]

ROTARY_BASE = 10_000.0
FIRST_DEVIATION = 0.02
"""Of fresh weights."""


class Answer(NamedTuple):
    """What a network says of the token behind each.

    Attributes:
        logits: shape (B, L, V).
        shares: log of each token's share of what was trained on, shape (V,).
    """

    logits: Tensor
    shares: Tensor


class Transformer(nn.Module):
    """From ``input_ids``, ``position_ids`` and ``document_ids``, each (B, L), to the token behind each.

    Where it is given ``next_ids`` (B, L), negative where none is learnt, it counts them in training.
    """

    def __init__(self, size: Size, *, num_tokens: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(num_tokens, size.width)
        self.layers = nn.ModuleList(_Layer(size.width, size.num_heads) for _ in range(size.num_layers))
        self.norm = nn.RMSNorm(size.width)
        self.register_buffer("counts", torch.zeros(num_tokens, dtype=torch.int64))
        self.counts: Tensor
        self._head_width = size.width // size.num_heads
        self._is_checkpointed = False
        self.apply(self._begin)
        deep = FIRST_DEVIATION / (2 * size.num_layers) ** 0.5
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            nn.init.normal_(layer.attended.weight, std=deep)
            nn.init.normal_(layer.down.weight, std=deep)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute what is inside layers again when it is gone back through, and do not hold it."""
        self._is_checkpointed = enable

    def forward(self, inputs: Mapping[str, Any]) -> Answer:
        """Return the logits of the token behind each."""
        ids, next_ids = inputs["input_ids"], inputs.get("next_ids")
        if self.training and next_ids is not None:
            self.counts += torch.bincount(next_ids[next_ids >= 0], minlength=len(self.counts))
        mask = attention_mask(inputs["document_ids"])
        turns = _turns(inputs["position_ids"], self._head_width)
        found = self.tokens(ids)
        for layer in self.layers:
            if self._is_checkpointed and self.training:
                found = checkpoint(layer, found, mask, turns, use_reentrant=False)
            else:
                found = layer(found, mask, turns)
        logits = F.linear(self.norm(found), self.tokens.weight)
        shares = (self.counts + 1).double().log() - (self.counts + 1).sum().double().log()
        return Answer(logits, shares)

    @staticmethod
    def _begin(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=FIRST_DEVIATION)


def transformer(name: str, *, num_tokens: int) -> Transformer:
    """Return a network of a size, with fresh weights, drawn from torch's global generator.

    Raises:
        ConfigError: there is no size of the name.
    """
    if name not in SIZES:
        raise ConfigError(f"there is no text model {name!r}", fix=f"choose one of: {', '.join(SIZES)}")
    return Transformer(SIZES[name], num_tokens=num_tokens)


def attention_mask(document_ids: Tensor) -> Tensor:
    """Return which tokens each sees, shape (B, 1, L, L): itself and those before it of its own text.

    Padding is a text of its own, so that no token sees nothing.
    """
    length = document_ids.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=document_ids.device).tril()
    return (before & (document_ids[:, :, None] == document_ids[:, None, :]))[:, None]


def _turns(position_ids: Tensor, head_width: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of rotary positions, each of shape (B, 1, L, head width / 2)."""
    half = torch.arange(head_width // 2, device=position_ids.device, dtype=torch.float32)
    angles = position_ids[:, None, :, None].float() * ROTARY_BASE ** (-half / (head_width // 2))
    return angles.cos(), angles.sin()


def _turned(values: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of (B, H, L, head width) by their positions."""
    cosines, sines = (each.to(values.dtype) for each in turns)
    first, second = values.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


class _Layer(nn.Module):
    """Attention and a feed-forward network, each added to what it is given."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self._num_heads = num_heads
        hidden = -(-width * 8 // 3 // 32) * 32
        self.norm_attended, self.norm_fed = nn.RMSNorm(width), nn.RMSNorm(width)
        self.asked = nn.Linear(width, 3 * width, bias=False)
        self.attended = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, values: Tensor, mask: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """From (B, L, D) to the same."""
        batch, length, width = values.shape
        asked = self.asked(self.norm_attended(values)).view(batch, length, 3, self._num_heads, -1)
        queries, keys, answers = asked.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(_turned(queries, turns), _turned(keys, turns), answers, attn_mask=mask)
        values = values + self.attended(seen.transpose(1, 2).reshape(batch, length, width))
        up, gate = self.up(self.norm_fed(values)).chunk(2, dim=-1)
        fed: Tensor = values + self.down(up * F.silu(gate))
        return fed
