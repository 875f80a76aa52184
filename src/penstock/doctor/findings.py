"""How findings are made, and quantities read."""

from __future__ import annotations

import math
import re

from penstock.records import Finding

__all__ = ["missing", "note", "ok", "quantity", "unknown"]

_FACTORS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_FACTORS |= {f"{letter}i": 2.0 ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)}
_QUANTITY = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)([KMGTPE]i|[mkMGTPE]?)")


def ok(place: str, check: str, found: str) -> Finding:
    """Tell that something is as it should be."""
    return Finding(place=place, check=check, state="ok", found=found)


def note(place: str, check: str, found: str, *, fix: str) -> Finding:
    """Tell that something is not there that one can do without."""
    return Finding(place=place, check=check, state="note", found=found, fix=fix)


def missing(place: str, check: str, found: str, *, fix: str) -> Finding:
    """Tell that something essential is not there."""
    return Finding(place=place, check=check, state="missing", found=found, fix=fix)


def unknown(place: str, check: str, found: str, *, fix: str) -> Finding:
    """Tell that something could not be looked at."""
    return Finding(place=place, check=check, state="unknown", found=found, fix=fix)


def quantity(text: str) -> float:
    """Read a Kubernetes quantity, such as ``24581684Ki``, ``500m`` or ``1e3``; what is none is not a number.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    match = _QUANTITY.fullmatch(text)
    return float(match[1]) * _FACTORS[match[2]] if match else math.nan
