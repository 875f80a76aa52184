"""Errors of steps in the words of Python: a flag is told as the argument of ``Stream`` that it stands for."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from penstock.errors import PenstockError

__all__ = ["in_python", "python_words"]

_ARGUMENTS = {
    "prefetch-timeout": "timeout_seconds",
    "window-size": "window",
    "window": "window_folder",
    "window folder": "window_folder",
    "on-bad-object": "on_bad_sample",
    "prefix": "source",
    "option match=...": "match",
    "option match": "match",
    "option where=...": "where(...)",
    "split": "split(valid=...)",
    "split-by": "split(by=...)",
    "release": "releases",
    "max-files": "max_files",
    "source-option": "storage_options",
}
"""Flags that have another name."""
_SAME: tuple[str, ...] = (
    "endpoint-url",
    "region",
    "anonymous",
    "requester-pays",
    "stream-listing",
    "in-flight",
    "source",
    "workers",
    "mini",
)
_SAME += (
    "batch-size",
    "on-bad-sample",
    "shuffle",
    "shuffle-block",
    "shuffle-mix",
    "repeat",
    "repeat-part",
    "seed",
    "epochs",
    "match",
    "transform",
)
_OF_COLUMNS = {f"{name}-column": name for name in ("path", "label", "group", "split")}
"""Options of tasks that have another name as arguments; those of others have underscores alone."""
_OF_TASKS: tuple[str, ...] = ("class-folder", "group-folder", "split-folders", "unmatched-share", "max-pixels")
_OF_TASKS += ("bids-task", "event-column", "event-values", "epoch-start", "epoch-seconds")
_OF_TASKS += ("window-seconds", "stride-seconds", "crop-seconds", "evaluation-crop", "num-channels", "commercial-use")
_OF_TASKS += tuple(f"{part}-{of}" for part in ("train", "valid", "test", "target") for of in ("releases", "subjects"))
_OF_TASKS += ("channel-numbers", "channel-count", "band-pass", "high-pass", "low-pass", "filter-context")
_OF_TASKS += ("exclude-subjects", "unpaired-share", "video-folder", "audio-folder", "group-separator")
# Patterns are compiled when an error is told: none is, as a rule.
_OPTION = r"(?:--option |the options? (?!(?:and|of|that|or)\b))([a-z]+(?:-[a-z]+)*)(?![\w-])"
_BARE = rf"(?<![\w-])({'|'.join((*_OF_COLUMNS, *_OF_TASKS))})(?![\w-])"
_NAMES = "|".join(sorted((*map(re.escape, _ARGUMENTS), *_SAME), reverse=True))
_FLAG = rf"(?<![^\s`('])--({_NAMES})(?![\w-])"
_NAMED = r"--option ([a-z]+(?:_[a-z]+)+)(?=\W)"
_WHOLE_BATCHES = {
    ", which loading workers need": ", the whole batch that is decoded",
    ", a smaller --batch-size, or --workers 0": " or a smaller --batch-size",
    ", or make the plan with other --lanes": "",
}
"""Whatever the workers, a stream frees a batch's samples together, since its decoder is the caller's own."""
_STEP = r"`penstock (?:list|prefetch)[^`]*`"


def python_words(text: str) -> str:
    """Return a message with arguments in the place of flags."""
    for said, true in _WHOLE_BATCHES.items():
        text = text.replace(said, true)
    text = re.sub(_STEP, lambda found: "the listing" if "list" in found[0] else "the prefetcher", text)
    text = re.sub(_FLAG, lambda found: _ARGUMENTS.get(found[1], found[1].replace("-", "_")), text)
    text = re.sub(_NAMED, r"\1", text)
    text = re.sub(_OPTION, lambda found: found[1], text)
    return re.sub(_BARE, lambda found: _OF_COLUMNS.get(found[1], found[1].replace("-", "_")), text)


@contextlib.contextmanager
def in_python() -> Iterator[None]:
    """Tell what fails within in Python's words; the error stays the same."""
    try:
        yield
    except PenstockError as error:
        error.what, error.fix = python_words(error.what), python_words(error.fix)
        error.args = (error.what,)
        raise
