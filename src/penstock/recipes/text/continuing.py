"""How a language model goes on with texts that it was not trained on, beside how they go on.

Some texts are chosen by a hash of their names, and the likeliest token is taken each time: the same network goes on the
same way.

Shapes: B sequences, L tokens of each, R texts that are gone on with.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from penstock.loader.protocols import Batch
from penstock.recipes.text.objective import logits_of
from penstock.records import TableFigure
from penstock.tasks.ranking import rank_of
from penstock.tasks.text.codec import Maker
from penstock.texts import printable
from penstock.tokens import UNLEARNT, Tokenizer
from penstock.tokens.utf8 import decode_utf8

__all__ = ["Beginnings", "Begun", "continued", "continued_table"]

_SHOWN: Final = 6
_MOST_GIVEN: Final = 32
"""Tokens of a text that it begins with, where all of it is learnt."""
_MOST_BEFORE: Final = 256
"""Tokens of a conversation that come before its first answer; of longer ones these are the last."""
_MOST_MADE: Final = 48
_FEWEST: Final = 8
"""Tokens of a text that is gone on with."""
_MOST_CHARACTERS: Final = 240


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """A text's beginning, and how it goes on: numbers of tokens."""

    key: str
    given: tuple[int, ...]
    truth: tuple[int, ...]


class Beginnings:
    """Chooses texts as they go by; holds a few."""

    def __init__(self) -> None:
        self._found: list[tuple[bytes, Begun]] = []

    def see(self, batch: Batch) -> None:
        """Look at a batch of parts of texts that are scored."""
        known = {begun.key for _, begun in self._found}
        for number, key in enumerate(batch.keys):
            rank = rank_of(key)
            if key in known or (len(self._found) == _SHOWN and rank > self._found[-1][0]):
                continue
            begun = _begun(batch.data, number, key)
            if begun is not None:
                known.add(key)
                bisect.insort(self._found, (rank, begun), key=lambda each: each[0])
                del self._found[_SHOWN:]

    @property
    def found(self) -> list[Begun]:
        """Those that were chosen, in the order of their names."""
        return sorted((begun for _, begun in self._found), key=lambda begun: begun.key)


def _begun(data: Mapping[str, Any], number: int, key: str) -> Begun | None:
    """Cut a part of a batch where it is to be gone on from; None where there is too little of it."""
    is_part = (data["parts"] == number) & (data["inputs"]["document_ids"] >= 0)
    ids = data["inputs"]["input_ids"][is_part].tolist()
    is_learnt = (data["targets"][is_part] != UNLEARNT).tolist()[:-1]  # of the token behind each
    if len(ids) < _FEWEST or not any(is_learnt):
        return None
    first = 1 + is_learnt.index(True)
    if all(is_learnt):
        first = min(len(ids) // 2, _MOST_GIVEN)
    last = next((place for place in range(first, len(ids)) if not is_learnt[place - 1]), len(ids))
    return Begun(
        key=key,
        given=tuple(ids[max(0, first - _MOST_BEFORE) : first]),
        truth=tuple(ids[first : min(last, first + _MOST_MADE)]),
    )


def continued(model: nn.Module, begun: Sequence[Begun], *, num_tokens: int, end: int | None) -> list[tuple[int, ...]]:
    """Return as many tokens behind each beginning as the text has there, each the likeliest; fewer behind an end.

    Args:
        model: in evaluation, on the device that it is on.
        end: token that ends a text.
    """
    device = next(model.parameters()).device
    length = max(len(each.given) + len(each.truth) for each in begun)
    ids = torch.zeros(len(begun), length, dtype=torch.int64, device=device)
    sizes = torch.tensor([len(each.given) for each in begun], device=device)
    for row, each in enumerate(begun):
        ids[row, : len(each.given)] = torch.tensor(each.given, device=device)
    rows = torch.arange(len(begun), device=device)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for _ in range(max(len(each.truth) for each in begun)):
                logits = logits_of(model(_inputs(ids, sizes)), num_tokens)
                best = logits[rows, sizes - 1].argmax(dim=1)
                is_open = sizes < length
                ids[rows[is_open], sizes[is_open]] = best[is_open]
                sizes = sizes + is_open
    finally:
        model.train(was_training)
    found = []
    for row, each in enumerate(begun):
        made = ids[row, len(each.given) : len(each.given) + len(each.truth)].tolist()
        found.append(tuple(made[: made.index(end) + 1] if end in made else made))
    return found


def _inputs(ids: Tensor, sizes: Tensor) -> dict[str, Tensor]:
    """Return what a network is given: what lies behind the tokens so far is padding."""
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    return {
        "input_ids": ids,
        "position_ids": positions,
        "document_ids": torch.where(positions < sizes[:, None], 0, -1),
        "next_ids": torch.full_like(ids, UNLEARNT),
    }


def continued_table(begun: Sequence[Begun], made: Sequence[Sequence[int]], maker: Maker, split: str) -> TableFigure:
    """Return the table of beginnings, how the model goes on with them, and how they go on."""
    tokenizer = maker.tokenizer
    return TableFigure(
        title=f"How the model goes on, taking the likeliest token each time, {split} split",
        header=("text", "begins", "the model goes on", "it goes on"),
        rows=tuple(
            (
                each.key,
                _shown(tokenizer, each.given, from_end=True),
                _shown(tokenizer, found),
                _shown(tokenizer, each.truth),
            )
            for each, found in zip(begun, made, strict=True)
        ),
        text_columns=(0, 1, 2, 3),
    )


def _shown(tokenizer: Tokenizer, ids: Sequence[int], *, from_end: bool = False) -> str:
    text = decode_utf8(ids) if tokenizer.function is not None else tokenizer.decode(ids)
    text = printable(text.replace("\n", "↵"))
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"…{text[-_MOST_CHARACTERS:]}" if from_end else f"{text[:_MOST_CHARACTERS]}…"
