"""Options of the task ``xray``."""

from __future__ import annotations

from typing import Final

from penstock.tasks.protocols import TaskOption

__all__ = ["OPTIONS"]


def _text(name: str, default: str | None, text: str, metavar: str) -> TaskOption:
    return TaskOption(name=name, kind=str, default=default, help=text, metavar=metavar)


OPTIONS: Final = (
    _text("labels", None, "table of labels: a key, a URI or a path (default: Data_Entry_2017*)", "URI|KEY"),
    _text("boxes", None, "table of boxes, likewise (default: BBox_List_2017* where it lies there)", "URI|KEY"),
    _text("archives", None, "take these archives or folders alone, like images_001,images_00[2-5]", "PATTERNS"),
    _text("train_archives", None, "train on these alone, and score on all that are taken", "PATTERNS"),
    TaskOption(
        name="train_share",
        kind=float,
        default=1.0,
        help="share of the training patients to train on; a larger share holds all of a smaller one",
        metavar="SHARE",
    ),
    _text("train_on", "normal", "images to train on: normal (No Finding alone) or all", "{normal,all}"),
    _text("findings", None, "findings to score, joined by commas, beside the normal images (default: all)", "NAMES"),
    _text("views", None, "views to take: PA, AP or both (default: both)", "NAMES"),
    _text("split_lists", "none", "test patients by --split (none), or by test_list.txt (official)", "{none,official}"),
    TaskOption(
        name="unmatched_share",
        kind=float,
        default=0.05,
        help="share of images without a row in the table that is left out and not refused, 0 to 1",
        metavar="SHARE",
    ),
    TaskOption(name="size", kind=int, default=128, help="pixels of each side of a sample, 32 to 1024", metavar="N"),
    _text("augment", "none", "what chance does in training: flip, crop, both or none", "NAMES"),
    TaskOption(
        name="max_pixels",
        kind=int,
        default=100_000_000,
        help="most pixels of an image, as its header has them",
        metavar="N",
    ),
)
