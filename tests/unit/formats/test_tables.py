"""Tables: read as they were meant, or refused by file, line and value."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import DataError
from penstock.formats.tables import number, read_table

HEAD = "participant_id\tcomment\tscore\n"


@pytest.mark.parametrize("cell", ["1e39", "-1e300", "9" * 60])
def test_a_number_that_nothing_can_be_computed_with_is_an_error(cell: str) -> None:
    [row] = read_table(f"score\n{cell}\n".encode(), name="t.tsv").rows
    with pytest.raises(DataError, match=r"t\.tsv, line 2: score is .*, more than 1e\+38"):
        row.number("score")


def cells(data: str | bytes) -> list[dict[str, str]]:
    encoded = data.encode() if isinstance(data, str) else data
    return [row.cells for row in read_table(encoded, name="t.tsv").rows]


def test_quoted_separators_line_breaks_and_quotes_stay_in_their_cell() -> None:
    rows = cells(HEAD + 'sub-A\t"tab\there, ""so"" and\na break"\t1.5\nsub-B\t5" screen\t2\n')
    assert rows[0] == {"participant_id": "sub-A", "comment": 'tab\there, "so" and\na break', "score": "1.5"}
    assert rows[1] == {"participant_id": "sub-B", "comment": '5" screen', "score": "2"}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_endings_byte_order_marks_and_blank_lines_do_not_matter(ending: str, mark: str) -> None:
    text = f"{mark}{HEAD}\nsub-A\tfine\t1\n  \nsub-B\tn/a\t \n\n".replace("\n", ending)
    assert [row["score"] for row in cells(text)] == ["1", ""]
    assert cells(mark + HEAD.rstrip("\n")) == []
    assert cells(mark) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            HEAD + "sub-A\tx\t1\nsub-B\tx\n",
            r"t\.tsv, line 3: 2 cells where the header has 3; the row begins with 'sub-B'",
        ),
        (HEAD + "sub-A\ta\tb\t1\n", r"t\.tsv, line 2: 4 cells where the header has 3"),
        (HEAD + 'sub-A\t"a\nb"\t1\nsub-B\n', r"t\.tsv, line 4: 1 cells where the header has 3"),
        ("a\tb\ta\n1\t2\t3\n", r"t\.tsv, line 1: the column 'a' comes twice"),
        (HEAD + 'sub-A\t"open\t1\nsub-B\tx\t2\n', r"t\.tsv, line 2: .*row begins with 'sub-A"),
        (HEAD + 'sub-A\t"shut" and on\t1\n', r"t\.tsv, line 2: .*expected after"),
        (HEAD + f"sub-A\t{'x' * 200_000}\t1\n", r"t\.tsv, line 2: .*field larger"),
        ((HEAD + "sub-A\tMüller\t1\n").encode("latin-1"), r"t\.tsv, line 2: not UTF-8 text \(byte \d+ is 0xfc\)"),
        (HEAD.encode("utf-16"), r"t\.tsv, line 1: not UTF-8"),
        (HEAD.encode("utf-16-le"), r"t\.tsv, line 1: a zero byte"),
    ],
    ids=["short", "long", "after-break", "twice", "open", "half-quoted", "huge", "latin-1", "utf-16", "utf-16-le"],
)
def test_what_does_not_add_up_is_refused_by_file_line_and_value(text: str | bytes, told: str) -> None:
    with pytest.raises(DataError, match=told):
        cells(text)


def test_a_cell_that_should_be_a_number_is_named() -> None:
    table = read_table(f"{HEAD}sub-A\tx\thigh\nsub-B\tx\tn/a\nsub-C\tx\tinf\nsub-D\tx\t1_0\n".encode(), name="t.tsv")
    with pytest.raises(DataError, match=r"t\.tsv, line 2: score is 'high', which is no number"):
        table.rows[0].number("score")
    assert table.rows[1].number("score") is None
    for row in table.rows[2:]:
        with pytest.raises(DataError, match="no number"):
            row.number("score")


def test_numbers() -> None:
    assert [number(cell) for cell in ("1.5", "-2e3", "n/a", "", "nan", "inf", "one")] == [
        1.5, -2000.0, None, None, None, None, None,
    ]  # fmt: skip


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=5).map(str.strip)


@given(st.lists(st.tuples(text, text, text), max_size=5), st.sampled_from("\t,;"))
def test_what_a_writer_wrote_is_read_again(rows: list[tuple[str, ...]], delimiter: str) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerows([("a", "b", "c"), *rows])
    table = read_table(written.getvalue().encode(), name="t", delimiter=delimiter)
    assert [tuple(row.cells.values()) for row in table.rows] == rows
