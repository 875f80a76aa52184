"""Datasets of EEG: stretches of recordings, and what is told of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from penstock.dataset.described import WHERE, Dataset
from penstock.dataset.of_task import option_values
from penstock.dataset.of_tasks import made_of_task
from penstock.dataset.splitting import PARTS
from penstock.errors import ConfigError
from penstock.stream.checks import choice, count, flag, path, shown
from penstock.stream.options import names_checked
from penstock.stream.words import in_python
from penstock.tasks.eeg.epochs import NORMALIZATIONS
from penstock.tasks.eeg.events import RESPONSES
from penstock.tasks.eeg.externalizing import EVALUATION_CROPS
from penstock.tasks.eeg.signal_options import CONTEXTS, making_of
from penstock.tasks.limit_options import LimitOptions
from penstock.tasks.options import Options
from penstock.tasks.registry import get_task

__all__ = ["eeg"]

_RELEASE: Final = re.compile(r"[A-Za-z0-9]+")
_SUBJECT: Final = re.compile(r"[\w.:/~ -]+", re.ASCII)
"""A subject, or a file that names some."""
_CHALLENGES: Final = {"c1": "eeg-c1", "c2": "eeg-c2", "events": "eeg-events"}


@names_checked
def eeg(
    source: str | os.PathLike[str],
    *,
    challenge: Literal["c1", "c2", "events"],
    releases: str | Iterable[str] = (),
    mini: bool = False,
    max_files: int | None = None,
    bids_task: str | Iterable[str] | None = None,
    event_column: str | None = None,
    event_values: str | Iterable[str] | None = None,
    epoch_start: float | None = None,
    epoch_seconds: float | None = None,
    label: str | None = None,
    window_seconds: float | None = None,
    stride_seconds: float | None = None,
    crop_seconds: float | None = None,
    evaluation_crop: Literal["middle", "scorer"] | None = None,
    responses: Literal["any", "left-right"] | None = None,
    normalize: Literal["zscore", "microvolts", "none"] = "zscore",
    train_releases: str | Iterable[str] | None = None,
    valid_releases: str | Iterable[str] | None = None,
    test_releases: str | Iterable[str] | None = None,
    target_releases: str | Iterable[str] | None = None,
    train_subjects: str | Iterable[str] | None = None,
    valid_subjects: str | Iterable[str] | None = None,
    test_subjects: str | Iterable[str] | None = None,
    target_subjects: str | Iterable[str] | None = None,
    exclude_subjects: str | Iterable[str] | None = None,
    commercial_use: bool = False,
    num_channels: int = 0,
    channels: str | Iterable[str] | None = None,
    channel_numbers: str | Iterable[str] | None = None,
    channel_count: int = 0,
    reference: str | Iterable[str] | None = None,
    band_pass: str | None = None,
    high_pass: float | None = None,
    low_pass: float | None = None,
    notch: str | None = None,
    resample: float | None = None,
    filter_context: Literal["recording", "sample"] | None = None,
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of stretches of EEG, each a pair: an array of float32 (channels, samples) and its target.

    A target is a number of float32, or of "events" the number of a class, which the loader's ``classes`` names. Splits
    keep subjects whole. ``docs/eeg.md`` tells what is taken of a BIDS dataset.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        challenge: "c1", seconds to the response after each trial's stimulus; "c2", a score of each subject, of windows
            whose crop lies anywhere in what is for training and in the middle elsewhere; "events", which event it is.
        releases: folders of releases to take, like ``["R5"]``; none takes all.
        mini: take the small version of each release.
        max_files: take that many recordings at most.
        bids_task: whose recordings to take.
        event_column: of the events tables, that tells events apart.
        event_values: of "events", values to tell apart.
        epoch_start: of "c1" and "events", seconds after the event at which a sample begins.
        epoch_seconds: likewise, that it lasts.
        label: of "c2", the column of participants.tsv to predict.
        window_seconds: of "c2".
        stride_seconds: of "c2", from the start of a window to the next.
        crop_seconds: of "c2", that are taken of a window.
        evaluation_crop: of "c2", where it lies in what is not for training: "middle", or as the "scorer" does.
        responses: of "c1", presses that answer: of "any" button, or "left-right".
        normalize: each channel to mean 0 and deviation 1, microvolts, or none, which leaves volts.
        train_releases, valid_releases, test_releases: releases that are these parts, given by ``part``.
        train_subjects, valid_subjects, test_subjects: subjects that are, or a file that names them.
        target_releases, target_subjects: a second domain, which the part for training has without its targets.
        exclude_subjects: subjects to leave out; "hbn" (unless given) are those that the challenge's organisers exclude.
        commercial_use: take those subjects alone whose ``commercial_use`` is yes.
        num_channels: take recordings of so many channels alone.
        channels: EEG channels to take, in this order.
        channel_numbers: or by their place in the file, from 0, like "0,2,8-15".
        channel_count: or the first ones.
        reference: what is taken off all: "none", "average" of all good EEG channels, or the mean of channels by name.
        band_pass: Hz that a filter lets pass, like "1-40"; or high_pass and low_pass.
        high_pass: Hz that a filter lets pass from on.
        low_pass: Hz up to which it does.
        notch: Hz of a hum that is filtered out, like "50".
        resample: samples per second to make of what was recorded.
        filter_context: "recording", so that what filters need beside a sample is read with it, or the "sample" alone.

    Raises:
        ConfigError: an option cannot be used.
    """
    arguments = dict(locals())
    others = ("challenge", "releases", "mini", "max_files", *WHERE)
    given = {name: value for name, value in arguments.items() if name not in others}
    given["commercial_use"] = flag("commercial_use", commercial_use) or None
    given["num_channels"] = count("num_channels", num_channels, 0) or None
    given["channel_count"] = count("channel_count", channel_count, 0) or None
    task = _CHALLENGES[choice("challenge", challenge, tuple(_CHALLENGES))]
    choice("normalize", normalize, NORMALIZATIONS)
    of_task = [option.name for option in get_task(task).options]
    wrong = next((name for name, value in given.items() if value is not None and name not in of_task), None)
    if wrong is not None:
        raise ConfigError(
            f"{wrong} means nothing to challenge {challenge!r}",
            fix=f"its own are: {', '.join(of_task)}; or leave it out",
        )
    for name, words in (("responses", RESPONSES), ("evaluation_crop", EVALUATION_CROPS), ("filter_context", CONTEXTS)):
        if given[name] is not None:
            choice(name, given[name], words)
    for split in (*PARTS, "target"):
        _check_names(f"{split}_releases", given[f"{split}_releases"], is_release=True)
        _check_names(f"{split}_subjects", given[f"{split}_subjects"], is_release=False)
    _check_names("exclude_subjects", exclude_subjects, is_release=False)
    options = option_values(task, {name: value for name, value in given.items() if name in of_task})
    with in_python():
        making_of(Options(get_task(task).options, options, task=task))
    names = _check_names("releases", releases, is_release=True)
    limits = LimitOptions(
        release=",".join(names),
        mini=flag("mini", mini),
        max_files=None if max_files is None else count("max_files", max_files, 1),
    )
    made = made_of_task(task, arguments, options, limits=limits)
    parts = [given[f"{split}_{of}"] for split in (*PARTS, "target") for of in ("releases", "subjects")]
    own = any(part is not None for part in parts)
    return replace(made, gives_classes=challenge == "events", group_name="subject", has_own_parts=own)


def _check_names(name: str, given: Any, *, is_release: bool) -> list[str]:
    """Return names of releases or of subjects, or the one file that has them.

    Raises:
        ConfigError: they are none.
    """
    if given is None:
        return []
    if not is_release and isinstance(given, os.PathLike):
        return [path(name, given, like="a path")]
    is_several = isinstance(given, Iterable) and not isinstance(given, str)
    names: list[Any] = list(given) if is_several else str(given).split(",") if isinstance(given, str) else [given]
    fits = _RELEASE if is_release else _SUBJECT
    if not all(isinstance(each, str) and fits.fullmatch(each) for each in names):
        like = '["R5"]' if is_release else '["NDARAA948VFH"], or the path of a file with one a line'
        raise ConfigError(f"{name} {shown(given)}", fix=f"give a list of names like {like}")
    return names
