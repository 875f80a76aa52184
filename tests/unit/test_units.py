"""Sizes, durations and money: read, written, refused."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.units import format_bytes, format_seconds, format_usd, parse_bytes, parse_seconds

BYTE_FACTORS = {
    "": 1,
    **{letter: 10 ** (3 * power) for power, letter in enumerate("kMGTP", start=1)},
    "K": 1000,
    **{f"{letter}i": 1 << (10 * power) for power, letter in enumerate("KMGTP", start=1)},
    "ki": 1024,
}
LARGEST = 2**63 - 1


@given(st.integers(1, LARGEST))
def test_a_plain_number_of_bytes_is_read_exactly(size: int) -> None:
    assert parse_bytes(str(size)) == size
    assert parse_bytes(f" {size}B ") == size


@given(st.integers(1, 8000), st.sampled_from(sorted(BYTE_FACTORS)), st.sampled_from(["", "B"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, letter: str) -> None:
    if number * BYTE_FACTORS[unit] <= LARGEST:
        assert parse_bytes(f"{number}{unit}{letter}") == number * BYTE_FACTORS[unit]
        assert parse_bytes(f"{number}.5{unit}{letter}") == math.floor((number + 0.5) * BYTE_FACTORS[unit])


@pytest.mark.parametrize(
    ("text", "size"), [("1e3", 1000), ("1.5E3Ki", 1536000), ("0.1Gi", 107374182), ("32MiB", 2**25)]
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Mi",
        "0",
        "0.0",
        "0.9",
        "-1",
        "+1",
        "1 000",
        "1_000",
        "1,5",
        "1e",
        "1e999",
        "9e99",
        "inf",
        "nan",
        "0x10",
        "1Xi",
        "1mi",
        "1Kib",
        "1 Mi i",
        "1\x00",
        "٣",
        "9223372036854775808",
        "1" * 5000,
        "0." + "0" * 5000 + "1",
    ],
)
def test_what_is_not_a_size_is_a_usage_error_that_shows_it(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size: write it like 32Mi") as caught:
        parse_bytes(text)
    assert repr(text)[:60].strip("'") in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)]))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: tuple[str, float]) -> None:
    if number * unit[1] <= 10**9:
        assert parse_seconds(f"{number}{unit[0]}") == pytest.approx(number * unit[1], rel=1e-15)


def test_decimal_parts_of_durations_are_exact() -> None:
    assert parse_seconds("0.1s") == 0.1
    assert parse_seconds("1.1m") == 66.0
    assert parse_seconds("250ms") == 0.25
    assert parse_seconds("2d") == 172800


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1 0", "1e3", "5 min", "1h30m", "inf", "nan", "9" * 400, "2000000000"]
)
def test_what_is_not_a_duration_is_a_usage_error_that_shows_it(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration: write it like 30") as caught:
        parse_seconds(text)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_bytes, parse_seconds):
        try:
            value = parse(text)
        except ConfigError:
            continue
        assert math.isfinite(value)


@given(st.integers(0, 2**62))
def test_a_written_size_reads_back_within_its_last_digit(size: int) -> None:
    text = format_bytes(size)
    assert re.fullmatch(r"\d{1,4} B|\d{1,7}\.\d [KMGT]iB", text)
    if size:
        assert parse_bytes(text) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (33450000, "31.9 MiB"),
        (2**50, "1024.0 TiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.085, "85 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (math.inf, "inf s"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@given(st.floats(0, 1e9))
def test_a_written_duration_never_shows_sixty_of_a_unit(seconds: float) -> None:
    assert not re.search(r"\b(60|1000)(\.0)? (s|ms|min)\b", format_seconds(seconds))


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (12.3, "$12.30"),
        (1234.5, "$1,234.50"),
        (0.999, "$1.00"),
        (0.0004, "$0.0004"),
        (5e-06, "$0.000005"),
        (5.7e-08, "$0.000000057"),
        (1e-12, "$0.000000000001"),
        (-3, "-$3.00"),
    ],
)
def test_sums_of_money_are_written_for_people(usd: float, text: str) -> None:
    assert format_usd(usd) == text
