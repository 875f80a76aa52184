"""Which clips a file has, and which frames of each are wanted: pure functions of options and lengths, in seconds."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError

__all__ = ["Clip", "Cutting", "cutting_of", "wanted_times"]

MOST_FRAMES: Final = 1_000_000
"""Of one clip."""
SLACK: Final = 1e-3
"""Seconds by which a clip may end behind what it is of."""
_LIKE: Final = 'give {"seconds": 10, "stride": 10}, a list like [[0, 2.5], [10, 12.5]], or the path of a CSV table'
_COLUMNS: Final = ("key", "start", "end")


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A part of a file; ``end`` is None where it goes as far as the file."""

    start: float
    end: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cutting:
    """How files are cut into clips: by a length, or as listed for all of them or for each.

    Attributes:
        short: keep what is left at the end of a file, though it is shorter.
    """

    seconds: float = 0.0
    stride: float = 0.0
    short: bool = False
    listed: tuple[tuple[float, float], ...] = ()
    by_key: Mapping[str, tuple[tuple[float, float], ...]] | None = None

    def clips(self, key: str, length: float, *, most: int) -> list[Clip]:
        """Return the clips of a file of a length in seconds, where they are not more than some.

        Raises:
            DataError: one that is listed goes on behind its end.
            ValueError: there are too many.
        """
        if not self.seconds:
            listed = self.listed if self.by_key is None else self.by_key.get(key, ())
            late = next((each for each in listed if each[1] > length + SLACK), None)
            if late is not None:
                raise DataError(
                    f"{key} has no clip from {late[0]:g} to {late[1]:g} s: it has {length:g} s",
                    fix="correct what clips are asked for, or leave the object out",
                    about=key,
                )
            return [Clip(start=start, end=end) for start, end in listed]
        count = math.floor((length - self.seconds + SLACK) / self.stride) + 1 if length + SLACK >= self.seconds else 0
        if count > most:
            raise ValueError(f"a length of {length:g} s, which are {count} clips, more than so few bytes can hold")
        made = [Clip(start=n * self.stride, end=n * self.stride + self.seconds) for n in range(count)]
        rest = count * self.stride
        if self.short and rest + SLACK < length and (not made or made[-1].end + SLACK < length):  # type: ignore[operator]
            made.append(Clip(start=rest, end=length))
        return made

    def leaves_out(self, key: str) -> bool:
        """Return whether a file has no clips, since it is not among those that are listed."""
        return self.by_key is not None and key not in self.by_key


def cutting_of(value: Any) -> Cutting | None:
    """Return how files are cut; None where they are not.

    Raises:
        ConfigError: nobody could cut so.
    """
    if value is None or isinstance(value, Cutting):
        return value
    if isinstance(value, str | Path):
        return Cutting(by_key=_read_table(Path(value)))
    if isinstance(value, Mapping) and set(value) <= {"seconds", "stride", "short"}:
        return _by_length(value)
    if isinstance(value, Mapping) and all(_is_list(pairs) for pairs in value.values()):
        return Cutting(by_key={str(key): _pairs(pairs) for key, pairs in value.items()})
    if _is_list(value):
        return Cutting(listed=_pairs(value))
    raise ConfigError(f"clips {str(value)[:80]!r}", fix=_LIKE)


def wanted_times(clip: tuple[float, float], *, frames: int | None, fps: float | None) -> NDArray[np.float64] | None:
    """Return the points in time at which a clip is looked at, shape (times,); None where all its frames are wanted.

    Raises:
        ValueError: they are too many.
    """
    start, end = clip
    if frames is not None:
        return np.asarray(start + (np.arange(frames) + 0.5) * ((end - start) / frames), np.float64)
    if fps is None:
        return None
    count = max(1, math.ceil((end - start) * fps - SLACK))
    if count > MOST_FRAMES:
        raise ValueError(f"it has {count} frames of {fps:g} a second, more than {MOST_FRAMES}")
    return np.asarray(start + np.arange(count) / fps, np.float64)


def _by_length(value: Mapping[str, Any]) -> Cutting:
    seconds, stride = value.get("seconds"), value.get("stride", value.get("seconds"))
    short = value.get("short", False)
    if not _is_length(seconds) or not _is_length(stride) or not isinstance(short, bool):
        raise ConfigError(f"clips {str(dict(value))[:80]}", fix=_LIKE)
    return Cutting(seconds=float(seconds), stride=float(stride), short=short)


def _is_length(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= SLACK


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _pairs(value: Any) -> tuple[tuple[float, float], ...]:
    found = tuple(value)
    if not found:
        raise ConfigError(f"clips {str(value)[:80]!r}", fix=_LIKE)
    return tuple(_pair(each) for each in found)


def _pair(each: Any) -> tuple[float, float]:
    is_pair = isinstance(each, Sequence) and not isinstance(each, str) and len(each) == 2
    start, end = each if is_pair else (math.nan, math.nan)
    is_number = all(isinstance(number, int | float) and not isinstance(number, bool) for number in (start, end))
    if not is_number or not start >= 0 or not start + SLACK <= end or not math.isfinite(end):
        raise ConfigError(f"clips: {str(each)[:80]} is none", fix="give start and end in seconds, the end behind it")
    return float(start), float(end)


def _read_table(path: Path) -> dict[str, tuple[tuple[float, float], ...]]:
    """Read a CSV table with the columns key, start and end."""
    found: dict[str, list[tuple[float, float]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not set(_COLUMNS) <= set(rows.fieldnames or ()):
                told = ", ".join(rows.fieldnames or ())[:120]
                raise ConfigError(
                    f"clips: {path} has the columns {told}", fix="give it the columns key, start and end (seconds)"
                )
            for row in rows:
                try:
                    pair = _pair((float(row["start"]), float(row["end"])))
                except (ValueError, TypeError, ConfigError):
                    told = f"{row['start']}, {row['end']}"[:80]
                    raise ConfigError(
                        f"clips: {path}:{rows.line_num}: {told} are no start and end",
                        fix="write seconds, the end behind the start",
                    ) from None
                found.setdefault(row["key"], []).append(pair)
    except (OSError, UnicodeError, csv.Error) as error:
        raise ConfigError(f"clips: {path} cannot be read ({error})", fix=_LIKE) from error
    if not found:
        raise ConfigError(f"clips: {path} has no rows", fix="give it a row a clip")
    return {key: tuple(pairs) for key, pairs in found.items()}
