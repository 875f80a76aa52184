"""Sizes, durations and money as people write them, and back.

Sizes follow Kubernetes quantities (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/):
``32Mi`` is 32 * 2**20 bytes, ``32M`` is 32 * 10**6; ``32MB`` and ``32MiB`` are taken as the same.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from penstock.errors import ConfigError

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "format_bytes",
    "format_grams",
    "format_seconds",
    "format_usd",
    "in_whole",
    "parse_bytes",
    "parse_seconds",
    "plain_number",
]

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

_DECIMAL = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {f"{letter}i": 1 << (10 * power) for power, letter in enumerate("KMGTP", start=1)}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:[eE][0-9]{1,2})?)\s*([kKMGTP]i?)?B?\s*")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?\s*")
_LONGEST = 64
_LARGEST_BYTES = (1 << 63) - 1
_LARGEST_SECONDS = 1e9


_MEBIBYTES = re.compile(r"\b([0-9]+)Mi\b")


def _exactly(number: str, factor: int) -> int:
    """Return a number's product, without parts of one."""
    if number.isdecimal():
        return int(number) * factor
    from fractions import Fraction  # here: it takes as long as all else here, and few sizes have a point

    return int(Fraction(number) * factor)


def parse_bytes(text: str) -> int:
    """Read a size such as ``32Mi``, ``1.5G`` or ``1048576`` as bytes, exactly; parts of a byte are dropped.

    Raises:
        ConfigError: it is not a size, or none from 1 byte to 2**63 - 1.
    """
    match = _SIZE.fullmatch(text)
    factor = {**_DECIMAL, **_BINARY, "ki": KIB}[match[2] or ""] if match else 0
    size = _exactly(match[1], factor) if match and len(text) <= _LONGEST else 0
    if not 1 <= size <= _LARGEST_BYTES:
        raise ConfigError(f"{_shown(text)} is not a size", fix="write it like 32Mi, 1.5Gi, 500M or 1048576")
    return size


def parse_seconds(text: str) -> float:
    """Read a duration such as ``30``, ``250ms``, ``5m`` or ``1.5h`` as seconds.

    Raises:
        ConfigError: it is not a duration, or one of more than 10**9 seconds.
    """
    match = _DURATION.fullmatch(text)
    seconds = float(Decimal(match[1]) * _SECONDS[match[2] or "s"]) if match else math.inf
    if seconds > _LARGEST_SECONDS:
        raise ConfigError(f"{_shown(text)} is not a duration", fix="write it like 30, 250ms, 30s, 5m or 1.5h")
    return seconds


def format_bytes(size_bytes: float) -> str:
    """Write bytes for a person, in binary units: ``31.9 MiB``."""
    if abs(size_bytes) < 1023.5:
        return f"{size_bytes:.0f} B"
    units = ("KiB", "MiB", "GiB", "TiB")
    scaled = [(size_bytes / (1 << 10 * power), unit) for power, unit in enumerate(units, start=1)]
    size, unit = next((pair for pair in scaled if abs(pair[0]) < 1023.95), scaled[-1])
    return f"{size:.1f} {unit}"


def format_seconds(seconds: float) -> str:
    """Write a duration for a person: ``85 ms``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if not math.isfinite(seconds):
        return f"{seconds} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_usd(usd: float | Decimal) -> str:
    """Write US dollars so that small sums stay readable: ``$12.30``, ``$0.0004``, ``$0.000000057``, ``-$3.00``."""
    if usd < 0:
        return f"-{format_usd(-usd)}"
    return f"${usd:,.2f}" if usd >= 0.0995 or usd == 0 else f"${plain_number(usd, digits=2)}"


def format_grams(grams: float | Decimal) -> str:
    """Write a mass so that small ones stay readable: ``12.3 kg``, ``450 g``, ``0.057 g``."""
    return f"{float(grams) / 1000:,.1f} kg" if grams >= 1000 else f"{plain_number(grams, digits=2)} g"


def plain_number(value: float | Decimal, *, digits: int) -> str:
    """Write a number with as many digits that count, and never with an exponent: ``0.000000057``."""
    return format(Decimal(f"{value:.{digits}g}").normalize(), "f") if math.isfinite(value) else f"{value}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def in_whole(advice: str, part: float) -> str:
    """Return an advice to give so many MiB, of which a part is taken, as one to give as much more: its first number."""
    return _MEBIBYTES.sub(lambda found: f"{math.ceil(int(found[1]) / part)}Mi", advice, count=1)
