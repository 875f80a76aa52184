"""``penstock.xray``: dictionaries of images and what is known of them, split by patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import ConfigError
from support.xrays import make_studies, write_folder

STUDIES = make_studies(30)
OF = {study.name: study for study in STUDIES}


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("nih") / "x", STUDIES)


def _read(dataset: Any) -> list[Any]:
    with dataset.loader(16, window="4Mi", epochs=1) as loader:
        return list(loader)


def test_parts_are_of_patients_and_training_is_on_normal_images(folder: Path) -> None:
    train, _, test = penstock.xray(folder, size=32).split(valid=0.2, test=0.3, by="patient", seed=0)
    learnt, scored = _read(train), _read(test)
    assert all(batch["inputs"].shape[1:] == (1, 32, 32) for batch in learnt)
    assert not any(batch["targets"].any() or batch["findings"].any() for batch in learnt)
    assert any(batch["targets"].any() for batch in scored)
    assert any(np.isfinite(batch["boxes"].numpy()).any() for batch in scored)
    assert all((batch["targets"] == batch["findings"].any(dim=1)).all() for batch in scored)


def test_a_whole_dataset_is_of_normal_images_or_of_all(folder: Path) -> None:
    normal = sum(study.labels == "No Finding" for study in STUDIES)
    assert sum(len(batch["inputs"]) for batch in _read(penstock.xray(folder, size=32))) == normal
    assert sum(len(batch["inputs"]) for batch in _read(penstock.xray(folder, size=32, train_on="all"))) == len(STUDIES)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 8}, "size"),
        ({"findings": "Flu"}, "findings"),
        ({"views": ["PA", "LL"]}, "views"),
        ({"train_share": 0}, "train"),
        ({"train_on": "some"}, "train"),
        ({"official_split": "yes"}, "official_split"),
    ],
)
def test_options_are_checked_before_anything_is_read(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        penstock.xray("s3://bucket/nowhere", **options)
