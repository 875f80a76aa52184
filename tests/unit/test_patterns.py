"""Patterns as a shell's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.patterns import any_of, exactly, is_unclosed, matcher


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.{jpg,png}", ["a.jpg", "b/c.png"], ["a.gif", "a.{jpg,png}"]),
        ("{a,b{c,d}}.x", ["a.x", "bc.x", "bd.x"], ["b.x", "c.x"]),
        ("{a,}.x", ["a.x", ".x"], ["aa.x"]),
        ("{x}", ["{x}"], ["x"]),
        ("{a,b", ["{a,b"], ["a"]),
        ("{a{b,c}", ["{ab", "{ac"], ["ab"]),
        ("[{]a,b}", ["{a,b}"], ["a"]),
        ("a[,]b", ["a,b"], ["ab"]),
        ("[]{a,b}]x", ["]x", "{x", ",x"], ["[x"]),
        ("sub-{01,02}/*", ["sub-01/eeg/x"], ["sub-03/x"]),
        ("{000..127}.tar", ["000.tar", "009.tar", "127.tar"], ["128.tar", "9.tar", "{000..127}.tar"]),
        ("{8..11}", ["8", "10"], ["08", "12", "7"]),
        ("{3..1}/{a..c}", ["1/a", "3/c"], ["0/a", "1/d"]),
        ("{0..8..4}x", ["0x", "4x", "8x"], ["1x"]),
        ("{1..x}", ["{1..x}"], ["1"]),
        ("[{]0..9}", ["{0..9}"], ["1"]),
        ("**/*.txt", ["a.txt", "d/a.txt", "d/e/a.txt"], ["a.tx", "d/a"]),
        ("d/**/a.{x,y}", ["d/a.x", "d/e/a.y", "d/e/f/a.x"], ["a.x", "da.x", "d/ea.x"]),
        ("**/d/**/a", ["d/a", "e/d/a", "d/e/a", "e/d/f/a"], ["a", "da", "d/ea"]),
        ("x**/a", ["x/a", "xy/a", "x/y/a"], ["a", "xa"]),
    ],
)
def test_braces_stand_for_one_of_several(pattern: str, fitting: list[str], others: list[str]) -> None:
    fits = matcher(pattern)
    assert all(map(fits, fitting))
    assert not any(map(fits, others))


@given(st.lists(st.text("ab,{}[]*?!", min_size=1, max_size=8), min_size=1, max_size=4), st.text("ab,{}[]!", max_size=6))
def test_several_patterns_take_what_one_of_them_takes(patterns: list[str], key: str) -> None:
    assert matcher(any_of(patterns))(key) == any(matcher(pattern)(key) for pattern in patterns)


def test_a_pattern_of_many_choices_is_one_expression() -> None:
    fits = matcher("{" + ",".join(f"sub-{number:04}" for number in range(2000)) + "}/*.{jpg,png}")
    assert fits("sub-1999/x.png")
    assert not fits("sub-2000/x.png")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{a,b}" * 24, "more than 10000 without braces"),
        ("{" + "{a,b}" * 24 + ",c}", "more than 10000 without braces"),
        ("{a," * 3000 + "}" * 3000, "more than 20 deep"),
        ("{a," * 30000, "more than 20 deep"),
        ("{" + "," * 10_000 + "}", "more than 10000 without braces"),
        ("{a,b}" * 13 + "x" * 3000, "written out without braces, takes more than 2097152 letters"),
        ("{" + "y" * 3000 + "," * 9_999 + "}" + "x" * 1000, "takes more than 2097152 letters"),
    ],
)
def test_what_cannot_be_written_out_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        matcher(pattern)
    assert len(str(caught.value)) < 300
    with pytest.raises(ConfigError, match=told):
        any_of([pattern])


def test_folders_of_any_depth_are_counted_as_they_are_written_out() -> None:
    with pytest.raises(ConfigError, match="takes more than 2097152 letters"):
        matcher("**/a/**/b/**/c/**/{00000..09999}")
    assert matcher("a/**/{0000..0999}.tar")("a/b/c/0998.tar")


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("{1..1}" * 3000, "1" * 3000, "1" * 2999),
        ("{a}" * 3000, "{a}" * 3000, "a" * 3000),
        ("[" * 20_000, "[" * 20_000, "["),
        ("[a" * 20_000, "[a" * 20_000, "a"),
        ("[!" * 20_000 + "]", "b", "["),
        ("[]" * 20_000, None, "["),
    ],
    ids=["rows of one", "braces of one", "brackets", "open brackets", "one that is closed", "brackets of brackets"],
)
def test_long_patterns_are_read_in_one_pass(pattern: str, fitting: str | None, other: str) -> None:
    fits = matcher(any_of([pattern]))
    assert fitting is None or fits(fitting)
    assert not fits(other)
    assert not matcher(any_of([pattern, "zzz"]))(other)


def test_several_patterns_are_counted_together() -> None:
    with pytest.raises(ConfigError, match="2 patterns stand for more than 10000"):
        any_of(["{a,b}" * 13, "{a,b}" * 13])


@pytest.mark.parametrize(
    ("pattern", "found"), [("*.{jpg", True), ("*.{jpg,{png}", True), ("*.{jpg}", False), ("[{]a", False), ("}a", False)]
)
def test_a_brace_that_nothing_closes_is_found(pattern: str, found: bool) -> None:
    assert is_unclosed(pattern) is found


def test_a_row_of_too_many_is_refused_before_it_is_written_out() -> None:
    with pytest.raises(ConfigError, match="more than 10000"):
        matcher("{0..999999999999}.tar")
    with pytest.raises(ConfigError, match="more than 10000"):
        any_of(["{0..9999}", "{0..9999}x"])


@given(st.text("ab,{}[]*?!.0", min_size=1, max_size=8), st.text("ab,{}[]*?!.0", max_size=8))
def test_a_pattern_of_one_text_takes_that_alone(text: str, other: str) -> None:
    fits = matcher(any_of([exactly(text), "zzz"]))
    assert fits(text)
    assert fits(other) == (other == text)
