"""Chest-like pictures in the layout of NIH ChestX-ray14, with findings of a known strength: one archive, as Kaggle's.

A normal picture has a bright middle with the heart, and two dark lungs with ribs across, alike on all pictures of a
patient. A finding is a bright spot in a lung; of every third patient all pictures but the first have one.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.pictures import png

__all__ = ["HEADER", "Study", "archive_of", "files_of", "generate_xrays", "make_studies", "tables_of"]

HEADER: Final = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
BOXES: Final = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
SPOTS: Final = ("Mass", "Nodule", "Infiltration")
SIDE: Final = 64
ARCHIVES: Final = 3
EACH: Final = 4
"""Pictures of a patient."""
PICTURE_BYTES: Final = 4_400
SPOT: Final = 0.25
"""How much brighter a finding is, of white."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A picture: where it lies, whose it is, what is on it and where."""

    archive: str
    name: str
    patient: int
    labels: str
    box: tuple[float, float, float, float] | None
    png: bytes

    @property
    def key(self) -> str:
        """Its path in the dataset."""
        return f"{self.archive}/images/{self.name}"


def generate_xrays(sink: Callable[[str, bytes], None], *, seed: int, effect: float, size_bytes: int) -> str:
    """Generate the archive, and say what it holds.

    Args:
        sink: takes each key and its bytes.
        seed: the same seed gives the same bytes.
        effect: how bright findings are, 0 (nothing is to be seen) to 1.
        size_bytes: of the archive, about.
    """
    num_patients = max(30, round(size_bytes / EACH / PICTURE_BYTES))
    studies = list(make_studies(num_patients, effect=effect, seed=seed))
    sink("archive.zip", archive_of(studies))
    ill = sum(each.box is not None for each in studies)
    return f"{len(studies):,} pictures of {num_patients:,} patients, {ill:,} with a finding"


def make_studies(
    num_patients: int,
    *,
    side: int = SIDE,
    archives: int = ARCHIVES,
    each: int = EACH,
    effect: float = 1.0,
    seed: int = 0,
) -> Iterator[Study]:
    """Return pictures of patients, who straddle archives as in the dataset; two of three are normal throughout.

    Args:
        each: pictures of a patient.
        effect: how bright findings are; of 0 the labels say so of pictures that are as all others.
    """
    total = num_patients * each
    for patient in range(1, num_patients + 1):
        chance = np.random.default_rng((seed, patient))
        body = chance.uniform(0.9, 1.1, 3)
        for follow_up in range(each):
            number = (patient - 1) * each + follow_up
            label = SPOTS[number % 3] if patient % 3 == 0 and follow_up else "No Finding"
            pixels = _chest(side, body, chance)
            box = None
            if label != "No Finding":
                spot, box = _spot(side, chance)
                pixels += SPOT * effect * spot
            yield Study(
                archive=f"images_{1 + number * archives // total:03}",
                name=f"{patient:08}_{follow_up:03}.png",
                patient=patient,
                labels=label if number % 2 or label == "No Finding" else f"{label}|Effusion",
                box=box,
                png=png((pixels.clip(0, 1) * 255).astype(np.uint8)),
            )


def _chest(side: int, body: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.float64]:
    y, x = np.mgrid[:side, :side] / (side - 1)
    x = x + chance.normal(0, 0.01)
    y = y + chance.normal(0, 0.01)
    pixels = 0.62 - 0.15 * y
    for middle in (0.28, 0.72):
        lung = ((x - middle) / (0.17 * body[0])) ** 2 + ((y - 0.5) / (0.36 * body[1])) ** 2
        pixels = pixels - 0.42 / (1 + np.exp((lung - 1) * 8))
    heart = ((x - 0.55) / 0.15) ** 2 + ((y - 0.62) / 0.2) ** 2
    pixels = pixels + 0.12 / (1 + np.exp((heart - 1) * 6))
    ribs = 0.03 * body[2] * np.sin(2 * np.pi * (6 * y - 1.5 * np.abs(x - 0.5)))
    found: NDArray[np.float64] = pixels + ribs + chance.normal(0, 0.012, (side, side))
    return found


def _spot(side: int, chance: np.random.Generator) -> tuple[NDArray[np.float64], tuple[float, float, float, float]]:
    y, x = np.mgrid[:side, :side] / (side - 1)
    middle = chance.choice([0.28, 0.72]) + chance.uniform(-0.05, 0.05), chance.uniform(0.35, 0.65)
    radius = chance.uniform(0.06, 0.09)
    spot = np.exp(-(((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * (radius / 1.5) ** 2)))
    left, top, size = (middle[0] - radius) * side, (middle[1] - radius) * side, 2 * radius * side
    return spot, (left, top, size, size)


def tables_of(studies: list[Study]) -> dict[str, bytes]:
    """Return the tables and lists that lie beside the pictures."""
    rows = [
        f"{each.name},{each.labels},{int(each.name[9:12])},{each.patient},057Y,M,{'PA' if each.patient % 2 else 'AP'},"
        "2682,2749,0.143,0.143,"
        for each in studies
    ]
    boxes = [
        f"{each.name},{'Infiltrate' if 'Infil' in each.labels else each.labels.split('|')[0]},"
        f"{','.join(f'{number:.4f}' for number in each.box)},,,"
        for each in studies
        if each.box is not None and each.patient % 2
    ]
    is_test = {each.patient for each in studies if each.patient % 4 == 3}
    return {
        "Data_Entry_2017.csv": "\n".join([HEADER, *rows, ""]).encode(),
        "BBox_List_2017.csv": "\n".join([BOXES, *boxes, ""]).encode(),
        "test_list.txt": "\n".join(each.name for each in studies if each.patient in is_test).encode(),
        "train_val_list.txt": "\n".join(each.name for each in studies if each.patient not in is_test).encode(),
        "README_CHESTXRAY.pdf": b"%PDF-1.4 generated",
    }


def files_of(studies: list[Study]) -> dict[str, bytes]:
    """Return all files of the dataset, by their paths."""
    return {**tables_of(studies), **{each.key: each.png for each in studies}}


def archive_of(studies: list[Study]) -> bytes:
    """Return the dataset as one ZIP64 archive, as Kaggle makes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files_of(studies).items()):
            with archive.open(zipfile.ZipInfo(path), "w", force_zip64=True) as member:
                member.write(data)
    return made.getvalue()
