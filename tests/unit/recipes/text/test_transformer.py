"""The transformer: what a token sees, what is counted, and what is held."""

from __future__ import annotations

import pytest
import torch

from penstock.errors import ConfigError
from penstock.recipes.text.names import SIZES
from penstock.recipes.text.networks import Transformer
from penstock.recipes.text.objective import NextToken
from penstock.recipes.text.packing_place import batch_of
from penstock.recipes.text.recipe import TextRecipe
from penstock.tokens import Document, Packing
from penstock.tokens.packing import laid_out

PACKING = Packing(length=12, method="concat", long="split", buffer=4, pad_id=0)
TOKENS = 20


def document(*ids: int) -> Document:
    numbers = torch.tensor(ids, dtype=torch.int32).numpy()
    return Document(numbers, numbers.copy())


def batch(*rows: list[Document]) -> dict[str, torch.Tensor]:
    return batch_of([laid_out(row, PACKING) for row in rows])


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(SIZES["tiny"], num_tokens=TOKENS).eval()


def test_a_text_is_told_the_same_wherever_it_lies_and_whatever_lies_beside_it(model: Transformer) -> None:
    first, second, other = document(1, 2, 3, 4, 5), document(7, 8, 9, 10), document(11, 12, 13, 14, 15)
    alone = model(batch([second])["inputs"]).logits[0, :4]
    behind = model(batch([first, second])["inputs"]).logits[0, 5:9]
    beside = model(batch([other, second], [first])["inputs"]).logits[0, 5:9]
    torch.testing.assert_close(alone, behind)
    torch.testing.assert_close(alone, beside)


def test_no_token_sees_those_behind_it(model: Transformer) -> None:
    one, other = (model(batch([document(1, 2, 3, last)])["inputs"]).logits[0] for last in (4, 9))
    torch.testing.assert_close(one[:3], other[:3])
    assert not torch.allclose(one[3], other[3])


def test_no_text_is_asked_for_the_first_token_of_another() -> None:
    made = batch([document(1, 2, 3), document(4, 5)])
    assert made["targets"][0].tolist() == [2, 3, -100, 5] + [-100] * 8
    assert made["inputs"]["position_ids"][0].tolist() == [0, 1, 2, 0, 1, *range(7)]


def test_a_fresh_network_knows_nothing_and_one_that_was_trained_tells_shares() -> None:
    torch.manual_seed(0)
    made, objective = batch([document(1, 2, 2, 2, 3)]), NextToken(num_tokens=TOKENS)
    model = Transformer(SIZES["tiny"], num_tokens=TOKENS)
    others = batch([document(*range(10))])
    loss, number = objective.loss(model.eval()(others["inputs"]), others)
    assert number == 9
    assert loss.item() == pytest.approx(torch.tensor(float(TOKENS)).log().item(), abs=0.3)
    assert model(made["inputs"]).shares.exp().tolist() == pytest.approx([1 / TOKENS] * TOKENS)
    shares = model.train()(made["inputs"]).shares.exp()
    assert shares[2].item() == pytest.approx(4 / 24)
    assert model.counts.sum() == 4
    again = Transformer(SIZES["tiny"], num_tokens=TOKENS)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.counts, model.counts)


def test_what_is_computed_again_has_the_same_gradient() -> None:
    gradients = []
    for is_again in (False, True):
        torch.manual_seed(0)
        model, made = Transformer(SIZES["tiny"], num_tokens=TOKENS), batch([document(1, 2, 3, 4)])
        model.set_grad_checkpointing(is_again)
        NextToken(num_tokens=TOKENS).loss(model(made["inputs"]), made)[0].backward()
        gradients.append([each.grad for each in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_have_heads_that_turn(name: str) -> None:
    size = SIZES[name]
    assert size.width % (2 * size.num_heads) == 0


def test_what_is_no_network_for_tokens_is_refused() -> None:
    recipe = TextRecipe()
    for name, shape, told in (("huge", (8, 9), "no text model 'huge'"), ("tiny", (8,), "shape \\(8,\\)")):
        with pytest.raises(ConfigError, match=told):
            recipe.check_model(name, shape)
    with pytest.raises(ConfigError, match=r"not logits of shape \(sequences, tokens, 20\)"):
        NextToken(num_tokens=TOKENS).loss(torch.zeros(2, 20), {"targets": torch.zeros(2, 3)})
