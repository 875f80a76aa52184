"""Datasets of what our tasks learn from: images and their classes, X-rays, clips."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from penstock.dataset.described import WHERE, Dataset, checked
from penstock.dataset.of_task import option_values
from penstock.dataset.placing import placed
from penstock.errors import ConfigError
from penstock.stream.checks import count, flag, shown
from penstock.stream.options import Data, names_checked, pattern_of
from penstock.stream.words import in_python
from penstock.tasks.clips.options import OPTIONS as CLIP_OPTIONS
from penstock.tasks.clips.settings import clip_decode
from penstock.tasks.images.options import OPTIONS
from penstock.tasks.images.task import image_decode
from penstock.tasks.limit_options import LimitOptions
from penstock.tasks.options import Options
from penstock.tasks.registry import get_task
from penstock.tasks.xray.options import OPTIONS as XRAY_OPTIONS
from penstock.tasks.xray.task import check_options as xray_settings

__all__ = ["clips", "images", "made_of_task", "of_task", "xray"]

_COLUMNS: Final = {
    "path": "path_column",
    "label": "label_column",
    "group": "group_column",
    "split": "split_column",
}
"""Arguments whose options have another name."""
_GROUPS: Final = "group_column"
"""Option of tasks that read tables, for what splits keep whole."""


@names_checked
def images(
    source: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    path: str | None = None,
    label: str | None = None,
    group: str | None = None,
    split: str | None = None,
    class_folder: str | int | None = None,
    group_folder: str | int | None = None,
    split_folders: bool = False,
    classes: str | Iterable[str] | None = None,
    match: str | Iterable[str] | None = None,
    unmatched_share: float = 0.05,
    size: int = 64,
    channels: int = 3,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    normalize: Literal["unit", "half", "imagenet"] = "unit",
    augment: str | Iterable[str] = "none",
    background: Literal["white", "black", "grey"] = "white",
    max_pixels: int = 100_000_000,
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of images, each a pair: an array of float32 (channels, size, size) and the number of its class.

    The loader's ``classes`` has their names. ``docs/images.md`` tells what each argument does to an image.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        labels: table of labels, of text: a key of the source, a URI, or a path like ``./labels.csv``; None takes the
            folders that images lie in for their classes.
        path: the table's column of images' paths; "path" unless given.
        label: its column of classes; "label" unless given.
        group: its column of what ``split(by="group")`` keeps whole.
        split: its column that says train, valid or test; each is then given by ``part``.
        class_folder: which folder of an image is its class: "last" (unless given), "first" or 1, 2 ...
        group_folder: which folder ``split(by="group")`` keeps whole.
        split_folders: folders named train, valid (val) and test are parts, given by ``part``.
        classes: classes to take alone.
        unmatched_share: share of images without a label, and of rows without an image, above which it is refused.
        size: pixels of each side.
        channels: 3 for colours, 1 for greys.
        augment: "flip", "crop" or both, done by chance to what is for training; "none".

    Raises:
        ConfigError: an option cannot be used.
    """
    arguments = dict(locals())
    given = {name: value for name, value in arguments.items() if name not in WHERE}
    for name in ("class_folder", "group_folder"):
        if isinstance(given[name], int):
            given[name] = str(count(name, given[name], 1))
    given["split_folders"] = flag("split_folders", split_folders) or None
    given["match"] = None if match is None else pattern_of("match", match)
    given = {_COLUMNS.get(name, name): value for name, value in given.items()}
    options = option_values("images", given, arguments={option: name for name, option in _COLUMNS.items()})
    with in_python():
        chosen = Options(OPTIONS, options, task="images")
        image_decode(chosen)
        chosen.share("unmatched_share")
    made = made_of_task("images", arguments, options)
    own = split is not None or bool(split_folders)
    return replace(made, has_own_parts=own, group_option=_GROUPS if labels is not None else "")


@names_checked
def clips(
    source: str | os.PathLike[str],
    *,
    table: str | None = None,
    video_folder: str = "video",
    audio_folder: str = "audio",
    group_separator: str | None = None,
    unpaired_share: float = 0.05,
    frames: int = 40,
    size: int = 96,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    coefficients: int = 32,
    steps: int = 100,
    augment: Literal["flip", "none"] = "none",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of clips, each a pair: a dictionary of what is seen and heard, and the number of its class.

    The dictionary has ``frames``, uint8, shape (frames, 3, size, size), and ``mfcc``, float32, shape (coefficients,
    steps). The loader's ``classes`` has the classes' names. ``docs/clips.md`` tells more.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        table: key of a CSV table of clips in longer files: file, start, end, label, and audio and group where there
            are some; None takes pairs of files in folders of their classes.
        video_folder: name of the folders, below those of the classes, that pictures lie in.
        audio_folder: name of the folders beside them that sound lies in.
        group_separator: ``split(by="group")`` keeps whole what stands before the last such text in clips' names.
        unpaired_share: share of clips that lack pictures or sound, above which it is refused.
        frames: pictures of a clip, evenly spaced.
        size: pixels of each side of one.
        coefficients: mel-frequency cepstral coefficients of the sound.
        steps: parts of equal length that they are the means over.
        augment: "flip", done by chance to what is for training; "none".

    Raises:
        ConfigError: an option cannot be used.
    """
    arguments = dict(locals())
    options = option_values("clips", {name: value for name, value in arguments.items() if name not in WHERE})
    with in_python():
        chosen = Options(CLIP_OPTIONS, options, task="clips")
        clip_decode(chosen)
        chosen.share("unpaired_share")
    return made_of_task("clips", arguments, options)


@names_checked
def xray(
    source: str | os.PathLike[str],
    *,
    labels: str | None = None,
    boxes: str | None = None,
    archives: str | Iterable[str] | None = None,
    train_archives: str | Iterable[str] | None = None,
    train_share: float = 1.0,
    train_on: Literal["normal", "all"] = "normal",
    findings: str | Iterable[str] | None = None,
    views: str | Iterable[str] | None = None,
    official_split: bool = False,
    unmatched_share: float = 0.05,
    size: int = 128,
    augment: str | Iterable[str] = "none",
    max_pixels: int = 100_000_000,
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of chest X-rays in NIH ChestX-ray14's layout, each a dictionary of the image and what is known.

    ``inputs`` is float32, shape (1, size, size), from 0 to 1; ``targets`` is 1.0 where there is any finding;
    ``findings`` is float32, shape (14,), and ``boxes`` float32, shape (8, 4), in parts of the sides, NaN where there is
    none. What is for training (the part "train", or all where it is not split) has normal images alone, unless
    ``train_on="all"``. Splits keep patients whole. ``docs/xray.md`` tells more.

    Args:
        source: as of ``objects``, as are the arguments that are not told here; of Kaggle with
            ``storage_options={"archive": True}``.
        labels: table of labels, a key of the source, a URI or a path; None takes the Data_Entry_2017* that lies there.
        boxes: table of boxes, likewise; None takes the BBox_List_2017* that lies there, if any.
        archives: patterns of archives or folders to take, like "images_00[1-3]"; None takes all.
        train_archives: likewise, for what is for training alone.
        train_share: share of the training patients.
        train_on: "normal", or "all".
        findings: to take beside the normal images; None takes all.
        views: "PA" or "AP"; None takes both.
        official_split: patients of test_list.txt are the part "test".
        unmatched_share: share of images without a row above which it is refused.
        augment: "flip", "crop" or both, done by chance to what is for training; "none".

    Raises:
        ConfigError: an option cannot be used.
    """
    arguments = dict(locals())
    given = {name: value for name, value in arguments.items() if name not in (*WHERE, "official_split")}
    is_official = flag("official_split", official_split)
    given["split_lists"] = "official" if is_official else None
    options = option_values("xray", given)
    with in_python():
        chosen = Options(XRAY_OPTIONS, options, task="xray")
        xray_settings(chosen)
    made = made_of_task("xray", arguments, options)
    return replace(made, gives_pairs=False, has_own_parts=is_official, group_name="patient")


def of_task(
    task: str,
    *,
    source: str | os.PathLike[str],
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    **options: Any,
) -> Dataset:
    """Return a dataset of a task's samples as they are trained on: dictionaries with ``inputs`` and ``targets``.

    Args:
        task: name of the task.
        source: as of ``objects``, as are the arguments that are not told here.
        options: of the task.

    Raises:
        ConfigError: an option cannot be used.
    """
    arguments = {**dict.fromkeys(WHERE), **{name: value for name, value in locals().items() if name in WHERE}}
    place, match, each = placed(source, options.get("match") or "*", usual="*")
    if each or (match != "*" and "match" not in [option.name for option in get_task(task).options]):
        raise ConfigError(
            f"source {shown(source)} is a pattern or a list, which the task {task!r} does not take",
            fix="give one folder or prefix; several are a mix",
        )
    chosen = option_values(task, {**options, **({"match": match} if match != "*" else {})})
    made = made_of_task(task, {**arguments, "source": place}, chosen)
    known = [option.name for option in get_task(task).options]
    return replace(made, gives_pairs=False, group_option=_GROUPS if _GROUPS in known else "")


def made_of_task(
    task: str,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    limits: LimitOptions | None = None,
) -> Dataset:
    """Return a dataset of a task.

    Raises:
        ConfigError: an option cannot be used.
    """
    return checked(
        Dataset(
            source={"match": "*", **{name: arguments[name] for name in WHERE}},
            format=task,
            options=options,
            task=task,
            data=Data(limits=limits or LimitOptions()),
        )
    )
