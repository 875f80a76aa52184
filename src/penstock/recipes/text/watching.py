"""Figures of a scored language model: what tokens cost by how many come before them, texts that it knows
best, and how it goes on with some.

Shapes: B sequences, L tokens of each, V tokens that there are, P parts of texts in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch.nn.functional as F
from torch import nn

from penstock.loader.protocols import Batch
from penstock.recipes.text.continuing import Beginnings, continued, continued_table
from penstock.recipes.text.objective import logits_of
from penstock.records import Figure, LineFigure, Series, TableFigure
from penstock.tasks.protocols import Answers
from penstock.tasks.text.codec import TextCodec, maker_of
from penstock.tokens import UNLEARNT

__all__ = ["Watching"]

_ROWS_AT_ONCE: Final = 8
_SHOWN: Final = 5
"""Texts of each end."""
_FEWEST_TOKENS: Final = 16
"""Of a text that is shown."""
_SHARES: Final = "naming each token by its share"


class Watching:
    """Sees what tokens cost; holds two numbers for each doubling of a sequence's length, and some texts' beginnings.

    Args:
        num_tokens: that there are.
        length: tokens of a sequence.
    """

    def __init__(self, *, num_tokens: int, length: int) -> None:
        self._num_tokens = num_tokens
        bins = length.bit_length() + 1
        self._nats, self._counts = np.zeros(bins), np.zeros(bins)
        self._beginnings = Beginnings()
        self._continued: Callable[[str], TableFigure] | None = None

    def see(self, batch: Batch, outputs: Any) -> None:
        """Add a batch up, by the doublings of how many tokens come before."""
        self._beginnings.see(batch)
        logits, targets = logits_of(outputs, self._num_tokens), batch.data["targets"]
        before = batch.data["inputs"]["position_ids"]
        for first in range(0, len(logits), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            is_learnt = targets[rows] != UNLEARNT
            costs = F.cross_entropy(logits[rows][is_learnt].float(), targets[rows][is_learnt], reduction="none")
            bins = (before[rows][is_learnt] + 1).double().log2().floor().long().cpu().numpy()
            self._nats += np.bincount(bins, weights=costs.double().cpu().numpy(), minlength=len(self._nats))
            self._counts += np.bincount(bins, minlength=len(self._counts))

    def try_out(self, model: nn.Module, codec: str) -> None:
        """Have the network go on with some texts."""
        begun = self._beginnings.found
        if begun:
            maker = maker_of(TextCodec.read(codec).maker)
            made = continued(model, begun, num_tokens=self._num_tokens, end=maker.eos)
            self._continued = partial(continued_table, begun, made, maker)

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return the line of costs by what comes before, the table of texts, and how some are gone on with."""
        went_on = [] if self._continued is None else [self._continued(answers.split)]
        return [*self._by_position(answers), *went_on, *_by_text(answers)]

    def _by_position(self, answers: Answers) -> list[Figure]:
        points = [
            (1.5 * 2.0**number - 0.5, nats / count)
            for number, (nats, count) in enumerate(zip(self._nats.tolist(), self._counts.tolist(), strict=True))
            if count
        ]
        if len(points) < 2:
            return []
        shares = float(answers.predicted[:, 2].sum() / answers.truth[:, 0].sum())
        return [
            LineFigure(
                title=f"What a token costs by how many come before it, {answers.split} split",
                description=f"Nats a token: {points[0][1]:.2f} behind the first of a text, {points[-1][1]:.2f} behind "
                f"{points[-1][0]:,.0f} or so; {_SHARES} costs {shares:.2f}.",
                x_label="tokens of the text that come before",
                y_label="nats a token",
                series=(Series(name="the model", points=tuple(points)),),
                reference=Series(name=_SHARES, points=((points[0][0], shares), (points[-1][0], shares))),
            )
        ]


def _by_text(answers: Answers) -> list[Figure]:
    """Return the table of the texts that are foretold best and worst."""
    keys, of = np.unique(np.asarray(answers.keys), return_inverse=True)
    tokens, nats, hits = (
        np.bincount(of, weights=column, minlength=len(keys))
        for column in (answers.truth[:, 0], answers.predicted[:, 0], answers.predicted[:, 1])
    )
    enough = np.flatnonzero(tokens >= _FEWEST_TOKENS)
    if len(enough) < 2:
        return []
    ordered = enough[np.argsort(nats[enough] / tokens[enough], kind="stable")].tolist()
    chosen = ordered if len(ordered) <= 2 * _SHOWN else [*ordered[:_SHOWN], *ordered[-_SHOWN:]]
    return [
        TableFigure(
            title=f"Texts that are foretold best and worst, {answers.split} split",
            header=("text", "tokens", "perplexity", "token accuracy"),
            rows=tuple(
                (
                    str(keys[n]),
                    f"{tokens[n]:,.0f}",
                    f"{math.exp(min(nats[n] / tokens[n], 700)):,.2f}",
                    f"{hits[n] / tokens[n]:.1%}",
                )
                for n in chosen
            ),
        )
    ]
