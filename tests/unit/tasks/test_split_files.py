"""Which split files are of, by their names and by a repository's card, as `datasets` 5.2 has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError
from penstock.tasks.converted_files import is_converted
from penstock.tasks.dataset_card import split_files
from penstock.tasks.globs import glob_matcher
from penstock.tasks.split_files import ByName, ByPattern
from penstock.tasks.split_listing import likely_first


def by_name(*keys: str, folder: str = "") -> dict[str, list[str]]:
    rule = ByName(folder=folder)
    for key in keys:
        rule.see(key)
    return {name: [key for key in keys if name in rule.of(key)] for name in rule.names}


SHARDS = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/odd-00000-of-00001-x.parquet"]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([*SHARDS, "test/a.csv"], {"train": SHARDS[:2], "odd": SHARDS[2:]}),
        (["train/a", "en/my-dev 2/b.csv", "test.csv"], {"train": ["train/a"], "validation": ["en/my-dev 2/b.csv"]}),
        (["training.csv", "a_eval_1.csv", "contest.csv"], {"train": ["training.csv"], "test": ["a_eval_1.csv"]}),
        (["a.csv", "latest.csv", "Train.csv"], {"train": ["a.csv", "latest.csv", "Train.csv"]}),
        (["train.csv", "README.md", ".dev.csv", "__x/test.csv"], {"train": ["train.csv"]}),
        (["train/test/a.csv"], {"train": ["train/test/a.csv"], "test": ["train/test/a.csv"]}),
    ],
)  # fmt: skip
def test_names_say_the_split(keys: list[str], found: dict[str, list[str]]) -> None:
    assert by_name(*keys) == found


def test_names_begin_in_the_folder_of_a_config() -> None:
    assert by_name("en/train.csv", "en/x/test.csv", "dev.csv", folder="en") == {
        "train": ["en/train.csv"],
        "test": ["en/x/test.csv"],
    }


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.csv", ["a.csv"], ["d/a.csv"]),
        ("**/*.csv", ["a.csv", "d/e/a.csv"], ["a.tsv"]),
        ("data/**", ["data/a", "data/b/c"], ["x/data/a"]),
        ("en/train-?.csv", ["en/train-1.csv"], ["en/train-10.csv", "en/x/train-1.csv"]),
        ("./a[0-1]+.csv", ["a0+.csv"], ["a2+.csv", "a00.csv"]),
    ],
)
def test_patterns_of_cards_are_those_of_files(pattern: str, fitting: list[str], others: list[str]) -> None:
    fits = glob_matcher(pattern)
    assert all(map(fits, fitting))
    assert not any(map(fits, others))


@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "[ab]", "[!a]", "[", "]", "x"]), max_size=8),
    st.text("abx/[]", max_size=8),
)
def test_many_wildcards_mean_what_few_do(parts: list[str], path: str) -> None:
    pattern = "".join(parts)
    few = glob_matcher(pattern)(path)
    assert glob_matcher(f"**/**/**/@@{pattern}")(f"@@{path}") == glob_matcher(f"@@{pattern}")(f"@@{path}") == few


def test_patterns_of_whoever_made_the_card_take_no_time() -> None:
    path = "a/" * 400 + "a" * 200
    assert not glob_matcher("**/" * 30 + "*a" * 30 + "b")(path)
    assert glob_matcher("**/" * 30 + "*a" * 30)(path)
    assert glob_matcher("[" * 50_000)("[" * 50_000)
    assert not glob_matcher("x[r--]y")("xry")
    assert glob_matcher("x[c-a]*[!c-a]")("x") is False


CARD = """---
license: mit
configs:
- config_name: en
  data_dir: en
  data_files:
  - {split: train, path: ["*.csv", "more/*.csv"]}
  - split: hard
    path: hard/*.csv
- config_name: de
  data_files: "de/**"
- config_name: fr
  data_dir: fr
---
# A dataset
"""


def of_card(asked: str, config: str = "", card: str = CARD) -> dict[str, list[str]]:
    keys = ["en/a.csv", "en/more/b.csv", "en/hard/c.csv", "de/a/d.csv", "fr/train.csv", "fr/dev.csv"]
    files = split_files(card, asked, config, "hf://datasets/org/name")
    for key in keys:
        files.rule.see(key)
    return {name: [key for key in keys if name in files.rule.of(key)] for name in files.chosen()}


def test_a_card_says_the_splits_of_its_configs() -> None:
    assert of_card("train", "en") == {"train": ["en/a.csv", "en/more/b.csv"]}
    assert of_card("train+hard", "en") == {"train": ["en/a.csv", "en/more/b.csv"], "hard": ["en/hard/c.csv"]}
    assert of_card("train", "de") == {"train": ["de/a/d.csv"]}
    assert of_card("valid", "fr") == {"validation": ["fr/dev.csv"]}
    assert of_card("", "fr") == {"train": ["fr/train.csv"], "validation": ["fr/dev.csv"]}
    with_default = CARD.replace("config_name: de", "config_name: de\n  default: true")
    assert of_card("train", card=with_default) == {"train": ["de/a/d.csv"]}
    assert of_card("train", card=CARD.replace("config_name: de", "config_name: default")) == {"train": ["de/a/d.csv"]}
    assert of_card("dev", card="no front matter, train/ or not") == {"validation": ["fr/dev.csv"]}
    assert of_card("dev", card="---\nlicense: mit\n---\n") == {"validation": ["fr/dev.csv"]}


@pytest.mark.parametrize(
    ("asked", "config", "told"),
    [
        ("tran", "en", "no split 'tran' of the config 'en' in hf://.*, but train, hard: did you mean 'train'"),
        ("test", "fr", "no split 'test' of the config 'fr' in hf://datasets/org/name, but train, validation"),
        ("train", "", "several configs, none of which is its default: en, de, fr"),
        ("train", "dee", "no config 'dee' in hf://datasets/org/name, but en, de, fr: did you mean 'de'"),
        ("train[:10%]", "en", "split 'train\\[:10%\\]' is no split's name"),
        ("", "nl", "no config 'nl'"),
    ],
)  # fmt: skip
def test_what_there_is_none_of_is_told_with_what_there_is(asked: str, config: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        of_card(asked, config)
    with pytest.raises(ConfigError, match="config 'en', but no card"):
        of_card("train", "en", card="")


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ("---\nconfigs: [\n---\n", "README.md, line 3: no YAML"),
        ("---\nconfigs: yes\n---\n", "configs of README.md are no list"),
        ("---\nconfigs:\n- data_files: [3]\n---\n", "name no files"),
        ("---\nconfigs:\n- data_files: {}\n---\n", "name no files"),
        ("---\nconfigs:\n- data_files: [{split: train}]\n---\n", "name no files"),
        ("---\nconfigs:\n- data_files: [{split: a, path: x}, {split: a, path: y}]\n---\n", "the split 'a' twice"),
        ("---\nconfigs:\n- data_files: https://host/a.csv\n---\n", "lie elsewhere"),
    ],
)
def test_a_card_that_says_nothing_that_can_be_used_is_refused(card: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        of_card("train", card=card)


def test_what_lies_elsewhere_is_of_no_split() -> None:
    rule = ByPattern({"train": ["*.csv"]}, folder="en")
    assert rule.of("en/a.csv") == ("train",)
    assert rule.of("a.csv") == rule.of("end/a.csv") == ()


CONVERTED = [
    "de/train/0000.parquet",
    "en/partial-train/0000.parquet",
    "en/partial-train/0001.parquet",
    "en/odd_one/0000.parquet",
    "en/odd_one-part1/0000.parquet",
]


def of_conversion(asked: str, config: str, keys: list[str], uri: str) -> dict[str, list[str]]:
    files = split_files("", asked, config, uri, is_conversion=is_converted(uri))
    for key in [".gitattributes", *keys]:
        files.rule.see(key)
    chosen = files.chosen()
    return {name: [key for key in keys if name in files.rule.of(key)] for name in chosen}


@pytest.mark.parametrize(
    "uri", ["hf://datasets/o/n@refs/convert/parquet", "hf://datasets/o/n@refs%2Fconvert%2Fparquet", "/a/copy"]
)
def test_a_conversion_has_a_folder_for_each_config_and_split(uri: str) -> None:
    assert of_conversion("train", "en", CONVERTED, uri) == {"train": CONVERTED[1:3]}
    assert of_conversion("odd_one", "en", CONVERTED, uri) == {"odd_one": CONVERTED[3:]}
    assert of_conversion("", "de", CONVERTED, uri) == {"train": CONVERTED[:1]}
    with pytest.raises(ConfigError, match=r"no config 'enn' in .*, but de, en: did you mean 'en'"):
        of_conversion("train", "enn", CONVERTED, uri)
    with pytest.raises(ConfigError, match=r"no split 'test' in .*, but odd_one, train"):
        of_conversion("test", "en", CONVERTED, uri)


def test_a_config_of_a_conversion_is_chosen_where_it_can_be() -> None:
    uri = "hf://datasets/o/n@refs/convert/parquet"
    with pytest.raises(ConfigError, match="several configs, none of which is its default: de, en"):
        of_conversion("train", "", CONVERTED, uri)
    own = [key.replace("de/", "default/") for key in CONVERTED]
    assert of_conversion("train", "", own, uri) == {"train": own[:1]}
    assert of_conversion("odd_one", "", CONVERTED[1:], uri) == {"odd_one": CONVERTED[3:]}
    below = [key.removeprefix("en/") for key in CONVERTED[1:]]
    assert of_conversion("train", "", below, f"{uri}/en") == {"train": below[:2]}
    assert of_conversion("train", "", ["0000.parquet"], f"{uri}/en/train") == {"train": ["0000.parquet"]}
    # Elsewhere such folders say nothing of configs where none is asked for.
    assert of_conversion("train", "", ["a/train/0000.parquet", "b/train/0000.parquet"], "/a/folder") == {
        "train": ["a/train/0000.parquet", "b/train/0000.parquet"]
    }


@pytest.mark.parametrize(
    "files", ["{train: [null]}", "[null]", "{train: [a.csv, null]}", "[{split: train, path: }]", "[3]"]
)
def test_a_card_whose_files_are_no_names(files: str) -> None:
    card = f"---\nconfigs:\n- config_name: a\n  data_files: {files}\n---\n"
    with pytest.raises(DataError, match="name no files"):
        split_files(card, "train", "", "hf://datasets/a/b")


@pytest.mark.parametrize(
    ("keys", "pattern", "asked", "found"),
    [
        (["data/train-00000-of-00002.parquet", "data/test-00000-of-00001.parquet"], "*.parquet", "train", 0),
        (["data/train-00001-of-00002.parquet", "data/train-00000-of-00002.parquet"], "*", "train", 1),
        (["train/b.jsonl", "train/a.txt", "dev/c.jsonl"], "*.jsonl", "validation,train", 2),
        (["train/b.jsonl", "dev/c.jsonl"], "*.jsonl", "test", None),
        (["b.jsonl", "README.md", "a.jsonl"], "*", "", 2),
        (["README.md"], "*", "", None),
        ([], "*", "train", None),
    ],
)
def test_what_is_read_first_is_guessed_by_names(keys: list[str], pattern: str, asked: str, found: int | None) -> None:
    assert likely_first(keys, pattern, asked) == (None if found is None else keys[found])
