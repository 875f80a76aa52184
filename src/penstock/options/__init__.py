"""Options of a command: each declared once, as a field of a frozen config."""

from __future__ import annotations

from penstock.options.declaration import PAIR, Option, Options, choice, flag, option, repeated, switch
from penstock.options.rules import Change

__all__ = ["PAIR", "Change", "Option", "Options", "choice", "flag", "option", "repeated", "switch"]
