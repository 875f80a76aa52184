"""Places, files, patterns of files and several of them, as a person writes where a dataset lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.dataset.placing import placed
from penstock.errors import ConfigError
from penstock.patterns import matcher


@pytest.mark.parametrize(
    ("source", "place", "taken", "others"),
    [
        ("s3://b", "s3://b", ["a.tar", "d/a.tar"], ["a.txt"]),
        ("s3://b/{000..009}.tar", "s3://b/", ["003.tar"], ["010.tar", "d.tar"]),
        ("s3://b/d/*/x-{a,b}.tar", "s3://b/d/", ["1/x-a.tar"], ["1/x-c.tar"]),
        ("hf://datasets/o/n@main/data/train-*.tar", "hf://datasets/o/n@main/data/", ["train-0.tar"], ["x.tar"]),
        ("https://host/x?y=1", "https://host/x?y=1", ["a.tar"], []),
        ("urls+https://host/{1,2}.txt", "urls+https://host/{1,2}.txt", ["a.tar"], []),
        ("https://host/x/{1,2}.tar", "https://host/x/", ["1.tar"], ["3.tar"]),
        (["https://host/1.tar", "https://host/d/2.tar"], "https://host/", ["1.tar", "d/2.tar"], ["2.tar"]),
        ("hf://org/name@refs/pr/1/{a,b}/*.tar", "hf://org/name@refs/pr/1/", ["a/x.tar"], ["c/x.tar"]),
        ("/no/{1,2}/x.tar", "/no", ["1/x.tar"], ["3/x.tar"]),
        ("*.tar", ".", ["x.tar"], []),
        (["s3://b/d/1.tar", "s3://b/d/2.tar"], "s3://b/d/", ["1.tar", "2.tar", "1.tar/x.tar"], ["3.tar"]),
        (["s3://b/d/", "s3://b/e/x.tar"], "s3://b/", ["d/1.tar", "e/x.tar"], ["e/1.tar", "f/1.tar", "d/1.txt"]),
        (["s3://b/d/{1,2}.tar", "s3://b/d/[3].tar"], "s3://b/d/", ["1.tar", "[3].tar"], ["3.tar"]),
        (["hf://datasets/o/n/a", "hf://datasets/o/n/b"], "hf://datasets/o/n/", ["a/1.tar", "b/1.tar"], ["c/1.tar"]),
        (["s3://b/x"], "s3://b/x", ["1.tar"], ["1.txt"]),
        ((each for each in ("/no/a", Path("/no/b"))), "/no", ["a/1.tar", "b/1.tar"], ["c/1.tar"]),
    ],
)  # fmt: skip
def test_a_place_and_what_is_taken_below_it(source: Any, place: str, taken: list[str], others: list[str]) -> None:
    found, pattern, _ = placed(source, "*.tar", usual="*.tar")
    fits = matcher(pattern)
    assert found == place
    assert all(map(fits, taken))
    assert not any(map(fits, others))


def test_what_is_there_is_no_pattern_and_a_file_is_one_of_its_folder(tmp_path: Path) -> None:
    odd = tmp_path / "{a,b}*"
    odd.mkdir()
    (odd / "[x].tar").write_bytes(b"x")
    assert placed(odd, "*.tar", usual="*.tar") == (str(odd), "*.tar", ())
    place, pattern, _ = placed(odd / "[x].tar", "*", usual="*")
    assert (place, matcher(pattern)("[x].tar"), matcher(pattern)("x.tar")) == (str(odd), True, False)


def test_paths_are_of_the_folder_that_the_process_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place, pattern, _ = placed(["train", "../other/{1,2}"], "*.tar", usual="*.tar")
    fits = matcher(pattern)
    assert (place, fits(f"{tmp_path.name}/train/x.tar"), fits("other/1")) == (str(tmp_path.parent), True, True)
    place, pattern, _ = placed(["train", "valid"], "*.tar", usual="*.tar")
    fits = matcher(pattern)
    assert (place, fits("train/x.tar"), fits("valid/x.tar"), fits("test/x.tar")) == (str(tmp_path), True, True, False)


@pytest.mark.parametrize(
    "source",
    ["https://host/x?X-Amz-Signature=abcdef0123456789&a=*", "https://u:p@host/{1..3}", "s3://key:secret@b/*"],
)
def test_a_secret_never_becomes_a_pattern(source: str) -> None:
    for each in (source, [source, "https://host/y"]):
        with pytest.raises(ConfigError, match="source holds a ") as caught:
            placed(each, "*", usual="*")
        assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "match", "told"),
    [
        ("s3://b/*.tar", "x*", "match 'x\\*' beside the pattern '\\*.tar' of source"),
        ([], "*", "source \\[\\]"),
        ({"s3://b": 1}, "*", "source {'s3://b': 1}"),
        (["s3://b", 3], "*", "source 3"),
        (["s3://a/x", "s3://b/x"], "*", "source 's3://a/x' and 's3://b/x' are not of one bucket"),
        (["hf://datasets/o/n", "hf://datasets/o/m"], "*", "not of one bucket, repository"),
        (["s3://a/x", "/no/x"], "*", "source 's3://a/x' and '/no/x' are not of one"),
        (["/no/x", "s3://a/x"], "*", "are not of one"),
    ],
)
def test_what_is_no_place_is_refused(source: Any, match: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        placed(source, match, usual="*")
