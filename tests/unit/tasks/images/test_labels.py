"""What an image is: by its folders, or by a table of labels."""

from __future__ import annotations

import tracemalloc

import pytest

from penstock.errors import ConfigError, DataError
from penstock.patterns import is_hidden
from penstock.tasks.images.label_table import LabelColumns, LabelTable, read_label_table
from penstock.tasks.images.naming import FolderLabels, Level, Meaning, looks_like_image


def folders(level: str = "last", group: str | None = None, *, with_splits: bool = False) -> FolderLabels:
    return FolderLabels(
        level=Level.read(level, "class-folder"),
        group=Level.read(group, "group-folder") if group else None,
        with_splits=with_splits,
    )


@pytest.mark.parametrize(
    ("labels", "key", "meaning"),
    [
        (folders(), "cat/1.png", Meaning(label="cat")),
        (folders(), "a/b/cat/1.png", Meaning(label="cat")),
        (folders("first"), "cat/anna/1.png", Meaning(label="cat")),
        (folders("2"), "data/cat/anna/1.png", Meaning(label="cat")),
        (folders("first", "last"), "cat/anna/1.png", Meaning(label="cat", group="anna")),
        (folders(), "1.png", "in no folder that is a class"),
        (folders("3"), "a/b/1.png", "in no folder that is a class"),
        (folders("1", "2"), "cat/1.png", "in no folder that is a group"),
        (folders(with_splits=True), "train/cat/1.png", Meaning(label="cat", split="train")),
        (folders(with_splits=True), "data/VAL/cat/1.png", Meaning(label="cat", split="valid")),
        (folders("first", with_splits=True), "test/cat/anna/1.png", Meaning(label="cat", split="test")),
        (folders(with_splits=True), "cat/train/1.png", Meaning(label="cat", split="train")),
        (folders(with_splits=True), "other/cat/1.png", "in no folder named like a split"),
        (folders(with_splits=True), "train/1.png", "in no folder that is a class"),
        (folders(), "train/cat/1.png", Meaning(label="cat")),
    ],
)
def test_folders_say_the_class(labels: FolderLabels, key: str, meaning: Meaning | str) -> None:
    assert labels.meaning(key) == meaning


@pytest.mark.parametrize("text", ["0", "-1", "middle", "1.5", ""])
def test_a_folder_is_counted_from_one(text: str) -> None:
    with pytest.raises(ConfigError, match="class-folder"):
        Level.read(text, "class-folder")


@pytest.mark.parametrize(
    ("key", "hidden", "image"),
    [
        ("a/1.PNG", False, True),
        ("a/1.jpeg", False, True),
        ("a/png", False, False),
        ("a.png/1", False, False),
        ("a/1.txt", False, False),
        ("a/._1.png", True, True),
        ("__MACOSX/a/1.png", True, True),
        (".ipynb_checkpoints/1.png", True, True),
    ],
)
def test_names_say_what_is_an_image(key: str, hidden: bool, image: bool) -> None:
    assert is_hidden(key) is hidden
    assert looks_like_image(key) is image


def table(text: str, name: str = "labels.csv", source_uri: str = "", **columns: str | None) -> LabelTable:
    given = {"path": "path", "label": "label", "group": None, "split": None, **columns}
    return read_label_table(text.encode(), name=name, columns=LabelColumns(**given), source_uri=source_uri)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a/1.png", "a/1.png"),
        ("./a/1.png", "a/1.png"),
        ("/a/1.png", "a/1.png"),
        ("1.png", "deep/er/1.png"),
        ("er/1", "deep/er/1.png"),
        ("1", "deep/1.png"),
        ("1.jpg", "deep/1.JPG"),
        ("1.Png", "1.png"),
        ("a\\1.png", "a/1.png"),
        ("caf\u0065\u0301.png", "caf\u00e9.png"),
        ("s3://b/pets/a/1.png", "a/1.png"),
        ('"a, b.png"', "a, b.png"),
        ("no.ending.here", "x/no.ending.here"),
    ],
)
def test_a_path_fits_the_end_of_a_key(path: str, key: str) -> None:
    found = table(f"path,label\n{path},cat\n", source_uri="s3://b/pets/")
    assert found.meaning(key) == Meaning(label="cat")
    assert list(found.without_image()) == []


@pytest.mark.parametrize("key", ["b1.png", "a/21.png", "1.png/x.png", "2.png"])
def test_no_other_key_fits(key: str) -> None:
    found = table("path,label\na/1.png,cat\n")
    assert found.meaning(key) == "not in labels.csv"
    assert list(found.without_image()) == ["a/1.png"]


def test_the_longest_path_is_taken() -> None:
    found = table("path,label\n1.png,all\nb/1.png,one\n")
    assert found.meaning("b/1.png") == Meaning(label="one")
    assert found.meaning("a/1.png") == Meaning(label="all")


def test_one_row_is_not_two_images() -> None:
    found = table("path,label\n1.png,cat\n")
    found.meaning("a/1.png")
    found.meaning("a/1.png")
    with pytest.raises(DataError, match=r"labels\.csv, line 2: 1\.png is both a/1\.png and b/1\.png"):
        found.meaning("b/1.png")


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
def test_cells_are_kept_apart_by_what_the_header_has(mark: str) -> None:
    text = f"\ufeffpath{mark}who{mark}label{mark}split\r\n1.png{mark}anna{mark}no, thing{mark}dev\r\n".replace(
        "no, thing", "none"
    )
    found = table(text, group="who", split="split")
    assert found.meaning("1.png") == Meaning(label="none", group="anna", split="valid")


def test_rows_of_the_same_image_may_agree() -> None:
    assert len(table("path,label\n1.png,cat\n1.png,cat\n")) == 1


def test_a_missing_label_is_no_class() -> None:
    assert table("path,label\n1.png,n/a\n").meaning("1.png") == "no label in labels.csv"


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("file,label\n1,2\n", {}, r"no column 'path' of --option path-column= \(it has file, label\)"),
        ("path,labels\n1,2\n", {}, "did you mean 'labels'"),
        ("path,label,Patient\n1,2,3\n", {"group": "patient"}, "did you mean 'Patient'"),
        ("", {}, "no columns"),
    ],
)
def test_a_column_that_is_not_there_is_told_with_the_nearest(text: str, columns: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        table(text, **columns)


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("path,label\n1,a\n1,b\n", {}, "line 3: 1 comes twice, and line 2 says another thing"),
        ("path,label\n,b\n", {}, "line 2: the column path is empty"),
        ("path,label\n", {}, "has no rows"),
        ("path,label,who\n1,a,\n", {"group": "who"}, "line 2: the column who is empty"),
        ("path,label,part\n1,a,third\n", {"split": "part"}, "part is 'third', which is no split"),
        ("path,label\n1,a,b\n", {}, "3 cells where the header has 2"),
    ],
)
def test_a_table_that_does_not_add_up_is_told(text: str, columns: dict[str, str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        table(text, **columns)


def test_a_table_that_is_no_text_is_told() -> None:
    with pytest.raises(DataError, match=r"a \.parquet file"):
        table("x", name="labels.parquet")


def test_a_number_that_is_written_in_two_ways_is_one_class() -> None:
    columns = LabelColumns(path="path", label="label", group=None, split=None)
    for labels, wanted in ((["1", "1.0", "x"], ["1", "1", "x"]), (["1.0", "2.0", "1.0"], ["1.0", "2.0", "1.0"])):
        text = "path,label\n" + "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
        found = read_label_table(text.encode(), name="labels.csv", columns=columns)
        assert [found.meaning(f"{number}.png") for number in range(3)] == [Meaning(label=label) for label in wanted]


def test_a_table_takes_the_memory_that_the_page_tells() -> None:
    rows = 20_000
    text = "".join(f"images_001/images/{row:08}_000.png,class-{row % 14},patient-{row // 4}\n" for row in range(rows))
    columns = LabelColumns(path="path", label="label", group="patient", split=None)
    tracemalloc.start()
    try:
        table = read_label_table(f"path,label,patient\n{text}".encode(), name="labels.csv", columns=columns)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(table) == rows
    assert 300 < held / rows < 600
