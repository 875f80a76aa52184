"""EEG networks: shapes, sizes, units, and what they refuse."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from penstock.errors import ConfigError
from penstock.recipes import registry
from penstock.recipes.eeg.model_names import MODEL_NAMES
from penstock.recipes.eeg.models import EEGNeX, build_model


def num_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize(("shape", "num_outputs"), [((129, 200), 1), ((60, 50), 3), ((1, 32), 2)])
def test_outputs_have_one_row_a_sample(name: str, shape: tuple[int, int], num_outputs: int) -> None:
    model = build_model(name, shape=shape, num_outputs=num_outputs)
    outputs = model(torch.randn(5, *shape))
    assert outputs.shape == (5, num_outputs)
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_library_that_is_not_there_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "is_there", lambda module: False)
    with pytest.raises(ConfigError, match="needs braindecode, which is not installed") as found:
        registry.choose_model("eeg-c1", "braindecode:EEGNetv4")
    assert "pip install 'penstock[braindecode]'" in str(found.value)
    monkeypatch.setattr(registry, "is_there", lambda module: True)
    for empty in ("braindecode:", "braindecode:NAME"):
        with pytest.raises(ConfigError, match="write it like braindecode:EEGNetv4"):
            registry.choose_model("eeg-c1", empty)


def test_sizes_at_the_challenges_shape() -> None:
    assert 2_000 < num_parameters(build_model("small", shape=(129, 200), num_outputs=1)) < 20_000
    assert 61_500 < num_parameters(build_model("eegnex", shape=(129, 200), num_outputs=1)) < 62_500


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_volts_and_microvolts_train_alike(name: str) -> None:
    inputs = torch.randn(4, 129, 200, generator=torch.Generator().manual_seed(0))
    outputs = []
    for unit in (1.0, 2.0**-20):
        torch.manual_seed(0)
        model = build_model(name, shape=(129, 200), num_outputs=1)
        outputs.append(model(inputs * unit))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_offsets_and_flat_channels_do_no_harm(name: str) -> None:
    model = build_model(name, shape=(129, 200), num_outputs=1).eval()
    inputs = torch.randn(4, 129, 200, generator=torch.Generator().manual_seed(0))
    inputs[:, 128] = 0
    torch.testing.assert_close(model(inputs + 100), model(inputs), rtol=1e-3, atol=1e-3)
    assert torch.isfinite(build_model(name, shape=(129, 200), num_outputs=1)(torch.zeros(4, 129, 200))).all()


def test_the_joined_kernel_is_the_two_convolutions_in_turn() -> None:
    """Away from the edges, time filtering by the one kernel equals the paper's first two blocks."""
    model = EEGNeX(num_channels=4, num_times=300, num_outputs=1).double()
    signal = torch.randn(1, 1, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    in_turn = F.conv1d(model.temporal_1(signal), model.temporal_2.weight)
    kernel = model.kernel()
    at_once = F.conv1d(signal, kernel)
    assert kernel.shape == (64, 1, 127)
    torch.testing.assert_close(at_once[:, ::2], in_turn)
    torch.testing.assert_close(at_once[:, 1::2], in_turn)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no EEG model 'large': choose one of: small, eegnex"):
        build_model("large", shape=(129, 200), num_outputs=1)


@pytest.mark.parametrize("shape", [(129,), (129, 31), (0, 200), (3, 129, 200)])
def test_a_shape_it_cannot_take_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="cannot take samples of shape"):
        build_model("eegnex", shape=shape, num_outputs=1)
