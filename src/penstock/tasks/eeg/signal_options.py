"""Options of the EEG tasks that tell which channels are taken, and what is done to the signals."""

from __future__ import annotations

import math
import re
from typing import Final

from penstock.errors import ConfigError
from penstock.tasks.eeg.picking import AVERAGE, Picks
from penstock.tasks.eeg.signals import Filters, SignalMaking
from penstock.tasks.options import Options
from penstock.tasks.protocols import TaskOption

__all__ = ["CONTEXTS", "SIGNALS", "making_of"]

CONTEXTS: Final = ("recording", "sample")
_MOST_CHANNELS: Final = 100_000
_MOST_HERTZ: Final = 1e6
_NUMBERS: Final = re.compile(r"(\d+)(?:-(\d+))?")


def _hertz(name: str, text: str) -> TaskOption:
    return TaskOption(name=name, kind=float, default=None, help=f"{text} (default: none)", metavar="HZ")


SIGNALS: Final = (
    TaskOption(
        name="channels",
        kind=str,
        default=None,
        help="EEG channels to take, in this order, like Cz,Pz (default: all)",
        metavar="NAMES",
    ),
    TaskOption(
        name="channel_numbers",
        kind=str,
        default=None,
        help="EEG channels to take by their place among those of the file, from 0, like 0,2,8-15 (default: all)",
        metavar="NUMBERS",
    ),
    TaskOption(
        name="channel_count",
        kind=int,
        default=0,
        help="EEG channels to take, the first ones of the file; 0: all (default)",
        metavar="N",
    ),
    TaskOption(
        name="reference",
        kind=str,
        default="none",
        help="what is taken off all channels: none, average (the mean of all good EEG channels, taken or not), or the "
        "mean of channels by name, like TP9,TP10",
        metavar="{none,average,NAMES}",
    ),
    TaskOption(
        name="band_pass",
        kind=str,
        default=None,
        help="Hz that a filter lets pass, like 1-40, as high-pass and low-pass together (default: none)",
        metavar="LOW-HIGH",
    ),
    _hertz("high_pass", "Hz that a filter lets pass from on, like 0.5"),
    _hertz("low_pass", "Hz up to which a filter lets pass, like 40"),
    TaskOption(
        name="notch",
        kind=str,
        default=None,
        help="Hz of a hum that is filtered out, like 50, or 60,120 (default: none)",
        metavar="HZ",
    ),
    _hertz("resample", "samples per second to make of what was recorded, after the filters, like 100"),
    TaskOption(
        name="filter_context",
        kind=str,
        default="recording",
        help="what filters see: the recording, so that what they need beside a sample is read with it, or the sample "
        "alone, as if nothing were beside it",
        metavar="{recording,sample}",
    ),
)
"""Options that all EEG tasks have."""


def making_of(chosen: Options) -> SignalMaking:
    """Return what the options ask for.

    Raises:
        ConfigError: they are none, or contradict each other.
    """
    ways = [name for name in ("channels", "channel_numbers", "channel_count") if chosen.is_set(name)]
    if len(ways) > 1:
        raise _wrong(f"the options {' and '.join(_kebab(way) for way in ways)} both tell which channels to take")
    names = chosen.names("channels")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"the option channels has {twice[0]} twice", fix="name each once")
    low, high = _band(chosen)
    return SignalMaking(
        picks=Picks(
            names=names,
            numbers=_numbers(chosen),
            count=chosen.whole("channel_count", low=0, high=_MOST_CHANNELS),
            reference=_reference(chosen),
        ),
        filters=Filters(
            low=low,
            high=high,
            notches=tuple(sorted({_frequency(part, "notch") for part in chosen.names("notch")})),
            rate_hz=_hertz_of(chosen, "resample"),
            alone=chosen.choice("filter_context", CONTEXTS) == "sample",
        ),
    )


def _reference(chosen: Options) -> str | tuple[str, ...]:
    names = tuple(dict.fromkeys(chosen.names("reference")))
    if len(names) > 1 and {"none", AVERAGE}.intersection(names):
        raise ConfigError(
            f"the option reference is {','.join(names)!r}", fix="give none, average, or names of channels"
        )
    return () if names == ("none",) else AVERAGE if names == (AVERAGE,) else names


def _numbers(chosen: Options) -> tuple[int, ...]:
    found: list[int] = []
    for part in chosen.names("channel_numbers"):
        match = _NUMBERS.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < _MOST_CHANNELS:
            raise ConfigError(f"the option channel-numbers has {part!r}", fix="give places from 0, like 0,2,8-15")
        found.extend(range(first, last + 1))
    if len(set(found)) < len(found):
        raise ConfigError("the option channel-numbers has a channel twice", fix="give each once")
    return tuple(found)


def _band(chosen: Options) -> tuple[float | None, float | None]:
    low, high = _hertz_of(chosen, "high_pass"), _hertz_of(chosen, "low_pass")
    band = chosen.text("band_pass")
    if band is not None:
        if (low, high) != (None, None):
            raise _wrong(f"the options band-pass and {'high-pass' if low else 'low-pass'} are both given")
        below, _, above = band.replace(" ", "").partition("-")
        low, high = _frequency(below, "band_pass", band), _frequency(above, "band_pass", band)
    if low is not None and high is not None and low >= high:
        raise ConfigError(
            f"the options let pass from {low:g} Hz to {high:g} Hz, which is nothing",
            fix="give the lower one first, like band-pass=1-40",
        )
    return low, high


def _hertz_of(chosen: Options, name: str) -> float | None:
    text = chosen.text(name)
    return None if text is None else _frequency(text, name)


def _frequency(text: str, name: str, whole: str | None = None) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _MOST_HERTZ:
        like = "two, like 1-40" if whole is not None else f"a number above 0, up to {_MOST_HERTZ:g}"
        raise ConfigError(f"the option {_kebab(name)} is {whole or text!r}", fix=f"give Hz, {like}")
    return value


def _wrong(what: str) -> ConfigError:
    return ConfigError(what, fix="give one of them")


def _kebab(name: str) -> str:
    return name.replace("_", "-")
