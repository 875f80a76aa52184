"""What no argument of the functions that make datasets may be is told by its name, before anything is listed."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import ConfigError

TEXTS = {"source", "match", "columns", "sample", "labels", "path", "label", "group", "split", "class_folder", "classes"}
TEXTS |= {"config", "group_folder", "bids_task", "event_column", "event_values", "releases", "region", "endpoint_url"}
TEXTS |= {f"{part}_{of}" for part in ("train", "valid", "test", "target") for of in ("releases", "subjects")}
TEXTS |= {"exclude_subjects", "table", "video_folder", "audio_folder", "group_separator", "reference"}
TRUTHS = {"commercial_use", "anonymous", "requester_pays", "decoded", "split_folders", "mini"}
HERTZ = {"high_pass", "low_pass", "resample"}
NUMBERS = {"epoch_start", "epoch_seconds", "window_seconds", "stride_seconds", "crop_seconds"}
VALUES: list[tuple[str, Any, set[str]]] = [
    ("an object", object(), set()),
    ("a class", Path, set()),
    ("a list of numbers", [3], set()),
    ("an array", np.arange(3), set()),
    ("a float", 2.5, NUMBERS | HERTZ),
    ("nan", float("nan"), set()),
    ("-1", -1, NUMBERS),
    ("10**30", 10**30, NUMBERS | {"memory"}),
    ("True", True, TRUTHS),
    ("text", "yes", TEXTS),
    ("empty", "", set()),
    ("a null", "a\0b", {"columns", "sample"}),
    ("a surrogate", "a\ud800b", set()),
    ("bytes", b"x", set()),
]
PLACES = [
    (function, name)
    for function in ("objects", "parquet", "tar", "images", "eeg", "clips")
    for name in inspect.signature(getattr(penstock, function)).parameters
]


@pytest.mark.parametrize(("function", "name"), PLACES)
def test_no_argument_takes_what_it_cannot_mean(function: str, name: str, tmp_path: Path) -> None:
    others: dict[str, Any] = {"source": tmp_path}
    if function == "eeg":
        of_c2 = name in ("label", "window_seconds", "stride_seconds", "crop_seconds", "evaluation_crop")
        others["challenge"] = "c2" if of_c2 else "events" if name == "event_values" else "c1"
    for told, value, may in VALUES:
        if name in may or (function, name, told) == ("eeg", "channels", "text"):
            continue
        with pytest.raises(ConfigError) as caught:
            getattr(penstock, function)(**{**others, name: value})
        assert name in str(caught.value), told
        assert "--" not in str(caught.value), told
        assert "\n" not in str(caught.value), told


def test_what_there_is_none_of_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"images has no argument 'lables'; did you mean 'labels'"):
        penstock.images(tmp_path, lables="x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="eeg has no argument 'chalenge'"):
        penstock.eeg(tmp_path, chalenge="c1")  # type: ignore[call-arg]
