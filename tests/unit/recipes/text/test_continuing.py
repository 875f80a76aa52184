"""How a network goes on with texts: which ones, from where, and with what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penstock.loader.protocols import Batch
from penstock.recipes.text.continuing import Beginnings, Begun, continued, continued_table
from penstock.recipes.text.feed import PackedScoring
from penstock.tokens import BYTES, UNLEARNT, Packing, TextDocument
from penstock.tokens.utf8 import BYTES_EOS, decode_utf8

TOKENS = 257


class Counting(nn.Module):
    """Says that behind each token comes the one that is greater by one; behind 90 the end."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.calls: list[Mapping[str, Tensor]] = []

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.calls.append({name: each.clone() for name, each in inputs.items()})
        ids = inputs["input_ids"]
        behind = torch.where(ids == 90, BYTES_EOS, ids + 1)
        return self.scale * nn.functional.one_hot(behind, TOKENS).float()


class Texts:
    """Texts of counting tokens, some of which have answers that alone are learnt."""

    num_samples = 30

    def __init__(self, *, batch_size: int, is_chat: bool = False) -> None:
        self._batch_size, self._is_chat = batch_size, is_chat

    def epoch(self, epoch: int) -> Iterator[Batch]:
        for first in range(0, 30, self._batch_size):
            numbers = range(first, min(30, first + self._batch_size))
            texts = [np.arange(number, number + 20) % 97 for number in numbers]
            learnt = [text.copy() for text in texts]
            if self._is_chat:
                for each in learnt:
                    each[:6] = each[11:14] = UNLEARNT
            yield Batch(
                data={
                    "inputs": np.concatenate(texts),
                    "labels": np.concatenate(learnt),
                    "sizes": np.full(len(numbers), 20),
                    "bytes": np.full(len(numbers), 20),
                },
                keys=tuple(f"text-{number:02}" for number in numbers),
                groups=("",) * len(numbers),
            )


def begun(*, batch_size: int = 4, length: int = 32, **texts: Any) -> list[Begun]:
    packing = Packing(length=length, method="concat", long="split", buffer=4, pad_id=0)
    loader: Any = Texts(batch_size=batch_size, **texts)
    beginnings = Beginnings()
    for batch in PackedScoring(loader, packing, batch_size=3).epoch(0):
        beginnings.see(batch)
    return beginnings.found


def test_the_same_texts_are_chosen_however_they_come() -> None:
    found = begun()
    assert len(found) == 6
    assert found == begun(batch_size=7) == begun(batch_size=30)
    assert [each.key for each in found] == sorted(each.key for each in found)


def test_a_text_is_gone_on_with_from_its_middle_and_a_conversation_from_its_first_answer() -> None:
    for each in begun():
        first = int(each.key.removeprefix("text-"))
        assert each.given + each.truth == tuple(number % 97 for number in range(first, first + 20))
        assert len(each.given) == 10
    for each in begun(is_chat=True):
        assert (len(each.given), len(each.truth)) == (6, 5)


def test_of_what_comes_before_a_late_answer_the_end_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.recipes.text.continuing._MOST_BEFORE", 4)
    for each in begun(is_chat=True):
        first = int(each.key.removeprefix("text-"))
        assert each.given == tuple(number % 97 for number in range(first + 2, first + 6))


def test_texts_that_are_too_short_are_left_out() -> None:
    assert all(len(each.given) == 4 for each in begun(length=8))
    assert not begun(length=4)


def test_what_counts_on_goes_on_as_the_texts_do() -> None:
    model, found = Counting(), begun()
    made = continued(model.train(), found, num_tokens=TOKENS, end=BYTES_EOS)
    assert made == [each.truth for each in found]
    assert model.training
    assert not any(call["document_ids"][:, -1].eq(0).any() for call in model.calls[:-1])


@pytest.mark.parametrize(("end", "wanted"), [(BYTES_EOS, (90, BYTES_EOS)), (None, (90, BYTES_EOS, 257 % TOKENS))])
def test_it_ends_where_the_model_ends_it(end: int | None, wanted: Sequence[int]) -> None:
    class Wrapping(Counting):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return super().forward(
                {**inputs, "input_ids": torch.where(inputs["input_ids"] == BYTES_EOS, -1, inputs["input_ids"])}
            )

    one = Begun(key="a", given=(88, 89), truth=(1, 2, 3))
    assert continued(Wrapping(), [one], num_tokens=TOKENS, end=end) == [tuple(wanted)]


def test_the_table_shows_text_and_cuts_what_is_long() -> None:
    maker = TextDocument(tokenizer=BYTES, column="text", bos=None, eos=BYTES_EOS)
    given, truth = tuple(b"\xffa\nb\x1b"), tuple(b"x" * 300)
    [row] = continued_table([Begun(key="k", given=given, truth=truth)], [(*b"hi", BYTES_EOS)], maker, "test").rows
    assert row == ("k", "\N{REPLACEMENT CHARACTER}a↵b\\x1b", "hi", "x" * 240 + "…")
    assert decode_utf8([195, 164, BYTES_EOS]) == "ä"
