"""Sizes, durations and money as people write them, and back.

Sizes follow Kubernetes quantities (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/):
``32Mi`` is 32 * 2**20 bytes, ``32M`` is 32 * 10**6; ``32MB`` and ``32MiB`` are taken as the same.
"""

from __future__ import annotations

import math
import re

from penstock.errors import ConfigError

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "format_bytes",
    "format_seconds",
    "format_usd",
    "parse_bytes",
    "parse_seconds",
]

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

_DECIMAL = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {f"{letter}i": 1 << (10 * power) for power, letter in enumerate("KMGTP", start=1)}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE]\d+)?)\s*([kKMGTP]i?)?B?\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*")


def parse_bytes(text: str) -> int:
    """Read a size such as ``32Mi``, ``1.5G`` or ``1048576`` as bytes.

    Raises:
        ConfigError: it is not a size, or not a positive one.
    """
    match = _SIZE.fullmatch(text)
    factor = {**_DECIMAL, **_BINARY, "ki": KIB}.get(match[2] or "") if match else None
    size = math.floor(float(match[1]) * factor) if match and factor else 0
    if size <= 0:
        raise ConfigError(f"{text!r} is not a size", fix="write it like 32Mi, 1.5Gi, 500M or 1048576")
    return size


def parse_seconds(text: str) -> float:
    """Read a duration such as ``30``, ``250ms``, ``5m`` or ``1.5h`` as seconds.

    Raises:
        ConfigError: it is not a duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is not a duration", fix="write it like 30, 250ms, 30s, 5m or 1.5h")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def format_bytes(size_bytes: float) -> str:
    """Write bytes for a person, in binary units: ``31.9 MiB``."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def format_seconds(seconds: float) -> str:
    """Write a duration for a person: ``85 ms``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_usd(usd: float) -> str:
    """Write US dollars so that small sums stay readable: ``$12.30``, ``$0.0004``."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.2g}" if usd >= 0.0001 else f"${usd:.1e}"
