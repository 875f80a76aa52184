"""What an image's key says of it: its class by folder, its group, and the split that it lies in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from penstock.errors import ConfigError
from penstock.tasks.split_names import split_of

__all__ = ["IMAGE_ENDINGS", "FolderLabels", "Labels", "Level", "Meaning", "looks_like_image"]

IMAGE_ENDINGS: Final = (
    *("png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff"),
    *("ppm", "pgm", "pbm", "pnm", "jp2", "j2k"),
)
"""Names of files that are taken for images where nothing else says which are."""
_LEVELS: Final = "last, first, or a number from 1 on"


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What is known of an image.

    Attributes:
        label: name of its class.
        group: of it, empty where it is alone.
        split: that the dataset puts it in; empty where it says nothing.
    """

    label: str
    group: str = ""
    split: str = ""


class Labels(Protocol):
    """Says what images are."""

    def meaning(self, key: str) -> Meaning | str:
        """Return what is known of an image, or why it has no class."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Which of the folders that an image lies in is meant: its place from the outermost, from 0, or from the end."""

    place: int

    @staticmethod
    def read(text: str, option: str) -> Level:
        """Read ``last``, ``first``, or a number from 1 on.

        Raises:
            ConfigError: it is something else.
        """
        named = {"last": -1, "first": 0}.get(text.lower())
        if named is None:
            if not text.isdecimal() or not 1 <= int(text) <= 1000:
                raise ConfigError(f"the option {option} is {text!r}", fix=f"give {_LEVELS}")
            named = int(text) - 1
        return Level(place=named)

    def of(self, folders: list[str]) -> str:
        """Return the folder; empty where there are too few."""
        return folders[self.place] if -len(folders) <= self.place < len(folders) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderLabels:
    """An image's class is a folder that it lies in.

    Attributes:
        level: which folder.
        group: which folder is its group, None for none.
        with_splits: a folder named like a split says the split, and is no class.
    """

    level: Level
    group: Level | None
    with_splits: bool

    def meaning(self, key: str) -> Meaning | str:
        """Return what the folders say, or that they say nothing."""
        folders, split = key.split("/")[:-1], ""
        if self.with_splits:
            split, folders = _without_split(folders)
            if not split:
                return "in no folder named like a split"
        label = self.level.of(folders)
        group = self.group.of(folders) if self.group is not None else ""
        if not label:
            return "in no folder that is a class"
        if self.group is not None and not group:
            return "in no folder that is a group"
        return Meaning(label=label, group=group, split=split)


def _without_split(folders: list[str]) -> tuple[str, list[str]]:
    """Return the split of the first folder that is named like one, and the other folders."""
    for place, folder in enumerate(folders):
        if split := split_of(folder):
            return split, folders[:place] + folders[place + 1 :]
    return "", folders


def looks_like_image(key: str) -> bool:
    """Tell by its name whether an object is an image."""
    return key.rpartition(".")[2].lower() in IMAGE_ENDINGS and "." in key.rpartition("/")[2]
