"""Small images of planted classes, in class folders or beside a table."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["CLASSES", "encoded", "planted", "write_class_folders", "write_labelled"]

CLASSES = ("across", "down", "plain")


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return an image's file."""
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def planted(number: int, side: int = 32) -> tuple[str, bytes]:
    """Return the class of the image of a number, and its file: stripes across, stripes down, or none."""
    rng = np.random.default_rng(number)
    label = CLASSES[number % len(CLASSES)]
    rows, columns = np.mgrid[:side, :side] + rng.integers(0, 8)
    bright = {"across": rows // 4 % 2, "down": columns // 4 % 2, "plain": np.full((side, side), 0.5)}[label]
    pixels = bright[..., np.newaxis] * rng.uniform(90, 160, 3) + rng.normal(60, 15, (side, side, 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return label, encoded(image, "PNG" if number % 2 else "JPEG", **({} if number % 2 else {"quality": 95}))


def name_of(number: int) -> str:
    return f"{number:04}.{'png' if number % 2 else 'jpg'}"


def write_class_folders(folder: Path, count: int, *, shuffled: bool = False) -> Path:
    """Write images in folders named like their classes, or in any where they are shuffled."""
    rng = np.random.default_rng(1)
    for number in range(count):
        label, data = planted(number)
        path = folder / (rng.choice(CLASSES) if shuffled else label) / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_labelled(folder: Path, count: int, *, name: str = "labels.tsv") -> Path:
    """Write images in one folder, and beside it a table of their labels and of whose they are."""
    rows = ["path\tlabel\tpatient"]
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        label, data = planted(number)
        (folder / "images" / name_of(number)).write_bytes(data)
        rows.append(f"{name_of(number)}\t{label}\tp{number // 4}")
    (folder / name).write_text("\n".join([*rows, ""]))
    return folder
