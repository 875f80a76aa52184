"""The networks of tables: rows of any width to as many outputs as are asked for."""

from __future__ import annotations

import pytest
import torch

from penstock.errors import ConfigError
from penstock.recipes.registry import build_model, check_model, choose_model


@pytest.mark.parametrize("name", ["small", "linear"])
@pytest.mark.parametrize(("width", "num_outputs"), [(1, 1), (73, 5)])
def test_rows_become_outputs(name: str, width: int, num_outputs: int) -> None:
    torch.manual_seed(0)
    model = build_model(name, task="table", shape=(width,), num_outputs=num_outputs)
    again = build_model(name, task="table", shape=(width,), num_outputs=num_outputs)
    assert model(torch.zeros(1, width)).shape == (1, num_outputs)
    assert not torch.equal(next(model.parameters()), next(again.parameters()))


def test_networks_are_chosen_by_name() -> None:
    assert choose_model("table", None) == "small"
    with pytest.raises(ConfigError, match="no model 'smal'"):
        choose_model("table", "smal")
    with pytest.raises(ConfigError, match="cannot take samples of shape"):
        check_model("small", task="table", shape=(3, 4, 4))
