"""Training that goes on in the middle of a packed file reads next to nothing of what lies before; its server counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import penstock
from benchmarks.resume import making
from benchmarks.resume.reading import checked
from benchmarks.resume.server import serving
from penstock.formats.tar import format as tar_format

pytestmark = pytest.mark.usefixtures("children_are_forked")

BLOCK_BYTES = 128 << 10
SIZE_BYTES = 12_000_000


@pytest.mark.parametrize("layout", ["tar.gz", "jsonl.zst"])
def test_little_before_the_place_is_read_again(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_format, "BLOCK_BYTES", BLOCK_BYTES)
    monkeypatch.setattr(making, "FRAME_BYTES", BLOCK_BYTES)
    monkeypatch.setattr(making, "SAMPLE_BYTES", 20_000)
    marks = making.make(tmp_path / f"one.{layout}", layout, SIZE_BYTES)
    kind, batch = ("tar", 8) if layout.startswith("tar") else ("jsonl", 64)
    formed: dict[str, Any] = {"decoded": True} if kind == "tar" else {"block": "128Ki"}
    options: dict[str, Any] = {"shuffle": "none", "window": "8Mi", "epochs": 1, "collate": list}
    with serving(tmp_path) as served:
        dataset = penstock.of_format(kind, f"{served.url}/one.{layout}", options=formed)
        options["manifest_folder"] = tmp_path / "manifests"
        middle = next(number for number, place in marks if place > SIZE_BYTES // 2) // batch
        with dataset.loader(batch, **options) as loader:
            for number, _ in enumerate(loader, 1):
                if number == middle:
                    break
            state = json.loads(json.dumps(loader.state_dict()))
        served.sent.clear()
        with dataset.loader(batch, **options) as loader:
            loader.load_state_dict(state)
            found = [checked(sample) for sample in next(iter(loader))]
        first = middle * batch
        assert found == list(range(first, first + batch))
        place = min(place for number, place in marks if number > first)
        assert served.sent_bytes() > 0
        assert served.sent_bytes(place) < 0.05 * place
