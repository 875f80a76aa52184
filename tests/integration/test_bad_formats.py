"""Damage of each kind in each format: one line with the object, an exit code of data, and nothing half-written."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

import penstock
from penstock.cli import main
from penstock.errors import DataError
from support.every_format import DATASETS, files_of

pytestmark = pytest.mark.usefixtures("children_are_forked")

NOISE = random.Random(0).randbytes(1 << 16)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) * 2 // 3],
    "another begin": lambda data: NOISE[: min(64, len(data))] + data[64:],
    "another end": lambda data: data[:-64] + NOISE[: min(64, len(data))],
    "noise": lambda data: NOISE[: max(100, min(len(data), len(NOISE)))],
    "solid archive": lambda data: b"7z\xbc\xaf\x27\x1c\x00\x04" + NOISE[:600],
}
"""What happens to the largest object of a dataset, among those that are as they should be."""

FREE: Final[dict[str, Collection[str]]] = {
    "objects": DAMAGE,
    "audio": ("another end",),
    "csv": ("cut",),
    "dicom": ("another begin",),
    "hdf5": ("another end",),
    "lance": ("another begin",),
    "npy": ("another end",),
    "recordings": ("another begin", "another end", "noise"),
    "safetensors": ("another end",),
    "tar": ("another end",),
    "text": ("cut",),
    "video": ("another end",),
}
"""By format the damage that its bytes do not tell: samples of numbers without checksums, or what no reader looks at."""
CODES: Final = {30, 31, 32}


def damaged(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> str:
    """Write a dataset with a damaged object, and return the object's name."""
    files, kind = files_of(name), DATASETS[name]
    opened = [key for key in sorted(files) if not kind.needs or fnmatchcase(key, kind.match)]
    victim = max(opened, key=lambda key: (len(files[key]), key))
    for key, data in files.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(data) if key == victim else data)
    return victim


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", DATASETS)
def test_damage_is_told_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, damage: str) -> None:
    """When the object is listed, or when the sample is read."""
    kind = DATASETS[name]
    victim = damaged(tmp_path / "in", name, DAMAGE[damage])
    out = tmp_path / "out"
    words = ["list", "--task", "objects", "--source", str(tmp_path / "in"), "--option", f"format={name}"]
    words += ["--option", f"format_options={json.dumps(kind.options)}", "--option", f"match={kind.match}"]
    code = main([*words, "--manifest", f"{out}/m", "--plan", f"{out}/p", "--split", "1,0,0"])
    told = [line for line in capfd.readouterr().err.splitlines() if "error: " in line]
    if code:
        (line,) = told
        assert code in CODES
        assert victim in line
        assert not out.exists() or not any(out.iterdir())
        assert damage not in FREE.get(name, ())
        if damage == "solid archive" and name in ("zip", "npz", "tar"):
            assert "7-Zip" in line
        return
    if kind.needs:
        assert damage in FREE[name]
        return
    dataset = penstock.of_format(name, tmp_path / "in", options=kind.options, match=kind.match)
    loader = dataset.loader(4, epochs=1, collate=list, window="64Mi")
    if damage in FREE.get(name, ()):
        with loader:
            assert sum(len(batch) for batch in loader) > 0
        return
    with loader, pytest.raises(DataError) as caught:
        list(loader)
    assert victim in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code in CODES
