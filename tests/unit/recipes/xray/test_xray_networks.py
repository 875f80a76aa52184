"""Networks for X-rays: that they learn normal images, that maps point, and that resumed steps are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from penstock.errors import CheckpointCorrupt, ConfigError
from penstock.recipes.registry import build_model, check_model, choose_model, recipe_for, recipe_of
from penstock.recipes.xray.maps import answers_of_boxes, scores_of
from penstock.recipes.xray.names import MODEL_NAMES
from penstock.recipes.xray.objective import Reconstruction
from penstock.recipes.xray.recipe import ReversedRecipe
from support.xrays import make_studies

SMALL = ("unet-small", "unet-masked-small", "reversed-autoencoder-small")


def images(number: int = 16) -> torch.Tensor:
    import io

    from PIL import Image

    found = [Image.open(io.BytesIO(study.png)) for study in make_studies(number, each=1)]
    return torch.from_numpy(np.stack([np.asarray(each, np.float32) / 255 for each in found])[:, None])


def batch_of(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "inputs": inputs,
        "targets": torch.zeros(len(inputs), dtype=torch.float64),
        "findings": torch.zeros(len(inputs), 14),
        "boxes": torch.full((len(inputs), 8, 4), torch.nan),
    }


def trained(name: str, steps: int) -> tuple[torch.nn.Module, list[float]]:
    torch.manual_seed(0)
    model = build_model(name, task="xray", shape=(1, 32, 32), num_outputs=1)
    recipe = recipe_for("xray", name)
    by_turns = isinstance(recipe, ReversedRecipe)
    optimisers = (
        recipe.make_optimisers(model, learning_rate=0.003, weight_decay=0.0)
        if isinstance(recipe, ReversedRecipe)
        else [torch.optim.AdamW(model.parameters(), lr=0.003)]
    )
    assert by_turns == (name.startswith("reversed"))

    def update(loss: torch.Tensor, *of: torch.optim.Optimizer) -> float:
        for each in of:
            each.zero_grad()
        loss.backward()
        for each in of:
            each.step()
        return loss.item()

    inputs = images(8)

    def step() -> float:
        batch = batch_of(inputs)
        if isinstance(recipe, ReversedRecipe):
            return recipe.training_step(model, batch, optimisers, update)[0]
        return update(Reconstruction().loss(model(inputs), batch)[0], *optimisers)

    return model, [step() for _ in range(steps)]


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_network_gives_images_and_maps(name: str) -> None:
    model = build_model(name, task="xray", shape=(1, 64, 64), num_outputs=1).eval()
    inputs = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        found = model(inputs)
    assert found["reconstruction"].shape == inputs.shape
    assert found["map"].shape == inputs.shape
    assert (found["map"] >= 0).all()
    objective = Reconstruction()
    assert objective.predictions(found, batch_of(inputs)).shape == (2, 4)
    assert objective.truth(batch_of(inputs)).shape == (2, 15)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_learns_what_is_normal_and_sees_a_spot(name: str) -> None:
    model, losses = trained(name, 25)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    inputs = images(8)
    spotted = inputs.clone()
    spotted[:, :, 12:18, 7:12] = 0.9
    model.eval()
    with torch.inference_mode():
        clean, spots = model(inputs)["map"], model(spotted)["map"]
    assert (scores_of(spots) > scores_of(clean)).float().mean() > 0.9
    boxes = torch.full((len(inputs), 8, 4), torch.nan)
    boxes[:, 0] = torch.tensor([7 / 32, 12 / 32, 12 / 32, 18 / 32])
    pointing, overlap, share = answers_of_boxes(spots, boxes).mean(axis=0)
    assert pointing > 0.9
    assert overlap > 5 * share


@pytest.mark.parametrize("name", SMALL)
def test_evaluation_draws_nothing_and_training_draws_from_the_global_generator(name: str) -> None:
    model = build_model(name, task="xray", shape=(1, 32, 32), num_outputs=1).eval()
    inputs = torch.rand(2, 1, 32, 32)
    before = torch.get_rng_state()
    with torch.inference_mode():
        model(inputs)
    assert torch.equal(before, torch.get_rng_state())
    again = [trained(name, 2)[0].state_dict() for _ in range(2)]
    assert all(torch.equal(again[0][key], again[1][key]) for key in again[0])


def test_gradients_that_are_computed_again_are_the_same() -> None:
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        model: Any = build_model("unet-small", task="xray", shape=(1, 32, 32), num_outputs=1)
        model.set_grad_checkpointing(again)
        inputs = images(4)
        Reconstruction().loss(model(inputs), batch_of(inputs))[0].backward()
        found.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_overlap_and_pointing_are_those_of_pixels() -> None:
    maps = torch.zeros(3, 1, 8, 8)
    maps[0, 0, 2:4, 2:4] = torch.tensor([[4.0, 3], [2, 1]])
    maps[1, 0, 6:8, 6:8] = torch.tensor([[4.0, 3], [2, 1]])
    boxes = torch.full((3, 2, 4), torch.nan)
    boxes[:2, 0] = torch.tensor([2 / 8, 2 / 8, 4 / 8, 4 / 8])
    found = answers_of_boxes(maps, boxes)
    assert found[0].tolist() == [1, 1, 4 / 64]
    assert found[1, 0] == 0
    assert found[1, 1] == pytest.approx(0 / 8)
    assert np.isnan(found[2]).all()


def test_two_boxes_are_one_region() -> None:
    maps = torch.arange(64.0).reshape(1, 1, 8, 8)
    boxes = torch.full((1, 3, 4), torch.nan)
    boxes[0, 0] = torch.tensor([0, 7 / 8, 4 / 8, 1])
    boxes[0, 2] = torch.tensor([2 / 8, 7 / 8, 1, 1])
    assert answers_of_boxes(maps, boxes)[0].tolist() == [1, 1, 8 / 64]


def test_a_box_smaller_than_a_pixel_is_one() -> None:
    boxes = torch.full((1, 1, 4), 0.99)
    assert answers_of_boxes(torch.ones(1, 1, 8, 8), boxes)[0, 2] == 1 / 64


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("unet", (1, 40, 40), "multiple of 16"),
        ("unet-small", (3, 32, 32), "grey squares"),
        ("unet-small", (1, 8, 8), "from 16 on"),
        ("reversed-autoencoder", (1, 32, 32), "from 64 on"),
        ("unet-small", (1, 32, 64), "squares"),
    ],
)
def test_samples_that_do_not_fit_are_refused_without_torch(name: str, shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_model(name, task="xray", shape=shape)
    assert told in str(raised.value)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="unet-smal"):
        choose_model("xray", "unet-smal")


class _Mean(torch.nn.Module):
    def __init__(self, gives: str) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))
        self._gives = gives

    def forward(self, inputs: torch.Tensor) -> Any:
        found = self.level.expand_as(inputs)
        return found if self._gives == "images" else found[:, :, :4]


def mean_model(*, shape: tuple[int, ...], num_outputs: int) -> torch.nn.Module:
    return _Mean("images")


def test_a_network_of_ones_own_gives_images() -> None:
    model = build_model(f"{__name__}:mean_model", task="xray", shape=(1, 32, 32), num_outputs=1)
    inputs = images(4)
    objective = Reconstruction()
    loss, number = objective.loss(model(inputs), batch_of(inputs))
    assert number == 4
    assert loss.item() == pytest.approx(float(inputs.square().mean()))
    assert objective.predictions(model(inputs), batch_of(inputs)).shape == (4, 4)
    with pytest.raises(ConfigError, match="give images again"):
        objective.loss(_Mean("less")(inputs), batch_of(inputs))


def test_objectives_are_made_again_from_their_state() -> None:
    recipe: Any = recipe_of("xray")
    assert recipe.objective_from_state(Reconstruction().state_dict()) == Reconstruction()
    with pytest.raises(CheckpointCorrupt):
        recipe.objective_from_state({"objective": "regression"})
