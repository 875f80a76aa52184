"""Networks for images: ours, and those of libraries, which a stand-in stands for here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from penstock.errors import ConfigError
from penstock.recipes.registry import build_model, check_model, choose_model, is_own_model

# What torchvision and timm have of their own kind: names, and a function that builds by them.
TORCHVISION = '''
from torch import nn


def list_models():
    return ["resnet18", "resnet34", "twofold", "boxes"]


class Twofold(nn.Module):
    """Gives two answers in training, as some of torchvision's do."""

    def __init__(self, num_classes):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))

    def forward(self, x):
        return (self.net(x), self.net(x)) if self.training else self.net(x)


def get_model(name, *, weights, num_classes):
    assert weights is None
    if name == "boxes":
        return object()
    if name == "twofold":
        model = Twofold(num_classes)
        model.net[1].initialize_parameters(__import__("torch").zeros(1, 3 * 16 * 16))
        return model
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)
    )
'''
TIMM = """
from torch import nn


def list_models():
    return ["vit_tiny", "vit_small"]


def create_model(name, *, pretrained, num_classes, in_chans):
    assert not pretrained
    if name == "vit_small":
        raise RuntimeError("needs images of 224")
    return nn.Sequential(nn.Conv2d(in_chans, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
"""
NAMES = ("torchvision", "torchvision.models", "timm")


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put stand-ins in the place of both libraries."""
    (tmp_path / "torchvision" / "models").mkdir(parents=True)
    (tmp_path / "torchvision" / "__init__.py").touch()
    (tmp_path / "torchvision" / "models" / "__init__.py").write_text(TORCHVISION)
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "__init__.py").write_text(TIMM)
    monkeypatch.syspath_prepend(tmp_path)
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    yield
    for name in NAMES:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (3, 65, 33)])
def test_small_takes_any_size(shape: tuple[int, ...]) -> None:
    model = build_model("small", task="images", shape=shape, num_outputs=5)
    for training in (True, False):
        assert model.train(training)(torch.zeros(2, *shape)).shape == (2, 5)
    assert model.train()(torch.zeros(1, *shape)).shape == (1, 5)


def test_small_is_the_default_and_repeated_by_its_seed() -> None:
    assert choose_model("images", None) == "small"
    made = []
    for _ in range(2):
        torch.manual_seed(4)
        made.append(build_model("small", task="images", shape=(3, 16, 16), num_outputs=2).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:vit_tiny"])
@pytest.mark.usefixtures("libraries")
def test_a_librarys_network_is_built_as_it_was_drawn(name: str) -> None:
    check_model(name, task="images", shape=(3, 16, 16))
    assert not is_own_model(name, task="images")
    torch.manual_seed(1)
    model = build_model(name, task="images", shape=(3, 16, 16), num_outputs=7)
    drawn = torch.rand(1)
    assert model.training
    assert model(torch.rand(4, 3, 16, 16)).shape == (4, 7)
    torch.manual_seed(1)
    again = build_model(name, task="images", shape=(3, 16, 16), num_outputs=7)
    assert torch.equal(torch.rand(1), drawn)
    assert all(int(value) == 0 for key, value in again.state_dict().items() if key.endswith("num_batches_tracked"))


@pytest.mark.usefixtures("libraries")
def test_timm_takes_greys() -> None:
    assert build_model("timm:vit_tiny", task="images", shape=(1, 16, 16), num_outputs=2)


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("torchvision:resnet19", (3, 16, 16), "torchvision has no model 'resnet19': did you mean resnet18?"),
        ("torchvision:", (3, 16, 16), "names no network of torchvision"),
        ("torchvision:resnet18", (1, 16, 16), "take 3 channels, and samples have 1"),
        ("torchvision:boxes", (3, 16, 16), "gives a object"),
        ("torchvision:twofold", (3, 16, 16), r"gives tuple for 2 samples, not \(2, 2\), in training"),
        ("timm:vit_small", (3, 16, 16), "cannot be built: RuntimeError: needs images of 224"),
        ("small", (16, 16), r"cannot take samples of shape \(16, 16\)"),
        ("small", (3, 4, 16), "at least 16 pixels"),
        ("large", (3, 16, 16), "choose one of: small, torchvision:NAME, timm:NAME"),
    ],
)
@pytest.mark.usefixtures("libraries")
def test_what_cannot_be_built_is_told(name: str, shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build_model(name, task="images", shape=shape, num_outputs=2)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_there_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = __import__("importlib.util").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == library else real(name))
    with pytest.raises(ConfigError, match=rf"pip install 'penstock\[{library}\]'"):
        check_model(f"{library}:resnet18", task="images", shape=(3, 16, 16))
