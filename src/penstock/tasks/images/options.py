"""Options of the task ``images``."""

from __future__ import annotations

from typing import Final

from penstock.tasks.protocols import TaskOption

__all__ = ["OPTIONS"]


def _text(name: str, default: str | None, text: str, metavar: str) -> TaskOption:
    return TaskOption(name=name, kind=str, default=default, help=text, metavar=metavar)


def _count(name: str, default: int, text: str) -> TaskOption:
    return TaskOption(name=name, kind=int, default=default, help=text, metavar="N")


OPTIONS: Final = (
    _text("labels", None, "table of labels: a key of the source, a URI, or a path like ./labels.csv", "URI|KEY"),
    _text("path_column", None, "the table's column of images' paths (default: path)", "COLUMN"),
    _text("label_column", None, "the table's column of classes (default: label)", "COLUMN"),
    _text("group_column", None, "the table's column of what stays whole in a split, like patients", "COLUMN"),
    _text("split_column", None, "the table's column that says train, valid or test", "COLUMN"),
    _text(
        "class_folder", None, "which folder of an image is its class: last, first or 1, 2 … (default: last)", "WHICH"
    ),
    _text("group_folder", None, "which folder stays whole in a split: last, first or 1, 2 …", "WHICH"),
    TaskOption(
        name="split_folders",
        kind=bool,
        default=False,
        help="whether folders named train, valid (val) and test say the split: true or false",
    ),
    _text("classes", None, "classes to take alone, joined by commas (default: all)", "NAMES"),
    _text("match", None, "take the objects that fit this pattern for images (default: by their endings)", "PATTERN"),
    TaskOption(
        name="unmatched_share",
        kind=float,
        default=0.05,
        help="share of images without a label, and of rows without an image, that is left out and not refused, 0 to 1",
        metavar="SHARE",
    ),
    _count("size", 64, "pixels of each side of a sample, 16 to 4096"),
    _count("channels", 3, "3 for colours, 1 for greys"),
    _text("fit", "crop", "how an image becomes a square: crop (the middle), pad or stretch", "{crop,pad,stretch}"),
    _text("normalize", "unit", "scale of values: unit (0 to 1), half (-1 to 1) or imagenet", "{unit,half,imagenet}"),
    _text("augment", "flip,crop", "what chance does in training: flip, crop, both or none", "NAMES"),
    _text("background", "white", "what lies behind transparent images and beside padded ones", "{white,black,grey}"),
    _count("max_pixels", 100_000_000, "most pixels of an image, as its header has them"),
)
