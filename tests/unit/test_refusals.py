"""What sources and formats are refused for: each has a test of it, or a reason why it cannot happen there."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Final

import pytest

from support.every_format import DATASETS
from support.every_source import PLACES

ROOT: Final = Path(__file__).parents[1]

MID_RUN = "integration/test_bad_sources.py::test_what_is_refused_in_mid_run_is_told"
PLACE = "integration/test_bad_sources.py::test_a_place_that_is_refused_is_told_in_one_line"
CHANGED = "integration/test_every_source.py::test_every_source_refuses_what_changed_after_it_was_listed"
DAMAGED = "integration/test_bad_formats.py::test_damage_is_told_in_one_line"

OPEN = "what is there is had without credentials"
NO_GATE = "it has no conditions to accept: who may read is had, and who may not is denied"
NO_LIMIT = "it has no answer that tells to come again later: what fails is tried again as it fails"
NO_PACKING = "its bytes are what they are: nothing is unpacked"
NO_KEYS = "the format has no encryption of its own: what is encrypted is no such file"
UNBOUND = "it declares no lengths"


def _all(told: str, **others: str) -> dict[str, str]:
    """Return the same of all sources, but of some."""
    return dict.fromkeys(PLACES, told) | {name.replace("_", " "): cell for name, cell in others.items()}


def _of(file: str, *names: str) -> str:
    return " ".join(f"unit/sources/test_{file}.py::test_{name}" for name in names)


SOURCES: Final[dict[str, dict[str, str]]] = {
    "no credentials": _all(
        OPEN,
        s3="integration/test_bad_input.py::test_no_credentials_at_all",
        s3_by_inventory="integration/test_bad_input.py::test_no_credentials_at_all",
        gs=_of("gcs", "no_credentials"),
        az=_of("azure", "no_credentials"),
        hf=_of("hub", "private_repositories_without_a_good_token"),
        kaggle=_of("kaggle", "a_competition_is_listed_and_read"),
        web=PLACE,
        urls=PLACE,
        ftp=PLACE,
    ),
    "wrong credentials": _all(PLACE, local=OPEN, hf=_of("hub", "private_repositories_without_a_good_token")),
    "credentials that end in mid-run": _all(
        MID_RUN, local=OPEN, ftp=_of("fsspec", "calls_that_go_on_failing_are_given_up")
    ),
    "a place that is not there": _all(PLACE),
    "a gate": _all(
        NO_GATE, hf=_of("hub", "a_repository_that_is_gated"), kaggle=_of("kaggle", "terms_that_are_not_accepted")
    ),
    "limits of requests": _all(
        NO_LIMIT,
        s3=_of(
            "network",
            "an_error_that_passes_is_tried_again",
            "an_error_that_stays_ends_after_the_tries_that_were_allowed",
        )
        + " "
        + _of("slow_servers", "a_server_is_not_asked_before_it_wants_to_be"),
        s3_by_inventory=_of("network", "an_error_that_passes_is_tried_again"),
        gs=_of("gcs", "what_an_answer_means", "requests_wait_for_as_long_as_they_are_told"),
        az=_of("azure", "what_an_answer_means"),
        hf=_of("hub", "limits_are_kept_to", "limits_that_do_not_end_are_given_up"),
        kaggle=_of("kaggle", "limits_are_kept_to", "limits_that_do_not_end_are_given_up"),
        web=_of("web", "a_server_says_when_to_come_again", "what_a_server_answers_to_a_read"),
        urls=_of("web", "a_server_says_when_to_come_again"),
    ),
    "a file that changed": _all(
        CHANGED,
        hf=_of("hub", "bytes_that_are_not_what_the_commit_names"),
        kaggle=_of("kaggle", "a_file_that_goes_or_changes"),
    ),
    "a file that is gone": _all(
        MID_RUN, local=_of("objects", "an_object_that_is_gone"), ftp=_of("fsspec", "what_is_not_there_is_told")
    ),
}
"""By what goes wrong and source: tests of it, or why it cannot."""


def _in(file: str, *names: str) -> str:
    return " ".join(f"unit/formats/test_{file}.py::test_{name}" for name in names)


PACKED = _in("packed", "what_unpacks_to_far_too_much_is_refused")
LINES = _in("jsonl", "values_without_an_end_are_refused_before_they_fill_memory")

FORMATS: Final[dict[str, tuple[str, str, str]]] = {
    "arrow": (NO_KEYS, _in("arrow", "what_takes_more_memory_is_refused"), _in("arrow", "what_lies_is_an_error")),
    "audio": (NO_KEYS, _in("media", "what_a_sample_takes_is_bounded"), _in("media", "lies_of_an_index")),
    "csv": (NO_KEYS, PACKED, _in("csv", "a_row_without_an_end_is_not_held")),
    "dicom": (
        NO_KEYS,
        _in("dicom", "a_file_that_unpacks_to_too_much_is_refused"),
        _in("dicom", "what_an_image_takes_is_bounded"),
    ),
    "hdf5": (NO_KEYS, *[_in("hdf5", "bombs_damage_loops_and_memory")] * 2),
    "json": (NO_KEYS, PACKED, LINES),
    "jsonl": (NO_KEYS, PACKED, LINES),
    "lance": (NO_KEYS, _in("lance", "names_of_versions_and_options"), _in("lance", "what_is_not_read_is_named")),
    "litdata": (
        _in("litdata", "what_is_not_read_is_named"),
        _in("litdata", "options_and_bombs"),
        _in("litdata", "what_is_not_read_is_named"),
    ),
    "mds": (NO_KEYS, NO_PACKING, _in("mds", "what_lies_is_an_error")),
    "npy": (NO_KEYS, NO_PACKING, _in("arrays", "what_lies_is_an_error")),
    "npz": (
        _in("zip", "what_lies_is_an_error_with_object_and_member"),
        _in("zip", "members_that_unpack_to_more_than_they_should_are_refused"),
        _in("arrays", "what_takes_more_memory_is_refused"),
    ),
    "objects": (NO_KEYS, NO_PACKING, UNBOUND),
    "parquet": (
        _in("parquet", "encrypted_columns_are_refused"),
        _in("parquet", "a_row_group_larger_than_memory_says_what_to_do"),
        _in("parquet", "a_footer_that_lies_names_the_object"),
    ),
    "recordings": (
        NO_KEYS,
        _in("recordings_bad", "bombs_in_matlab_files_are_bounded"),
        _in("bdf", "headers_that_lie_are_refused"),
    ),
    "safetensors": (NO_KEYS, NO_PACKING, _in("arrays", "what_lies_is_an_error")),
    "tar": (
        NO_KEYS,
        _in("pictures", "a_bomb_is_refused_before_anything_is_made_of_it"),
        _in("tar", "what_lies_is_an_error_with_object_and_place"),
    ),
    "text": (
        NO_KEYS,
        _in("text", "a_packed_file_that_is_cut_off_or_too_large_is_an_error"),
        _in("text", "lines_and_documents_that_do_not_end_are_refused"),
    ),
    "video": (
        _in("media", "what_is_encrypted_or_lies_elsewhere_is_refused"),
        _in("media", "what_a_sample_takes_is_bounded"),
        _in("media", "lies_of_an_index"),
    ),
    "zarr": (NO_KEYS, _in("zarr", "bombs_do_not_unpack"), _in("zarr", "what_cannot_be_read_is_named")),
    "zip": (
        _in("zip", "what_lies_is_an_error_with_object_and_member"),
        _in("zip", "members_that_unpack_to_more_than_they_should_are_refused"),
        _in("zip", "members_that_lie_in_each_other_are_refused"),
    ),
}
"""By format: what is encrypted, what unpacks to too much, and lengths that lie; damage of each kind is tried of all."""


@functools.cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def check(cell: str) -> None:
    """Check that a cell names tests that there are, or says why there is none."""
    if "::" not in cell:
        assert cell.count(" ") >= 3
        return
    for named in cell.split():
        path, _, name = named.partition("::")
        assert name in _tests_of(path), named


@pytest.mark.parametrize("kind", SOURCES)
def test_each_source_has_a_test_of_what_it_refuses(kind: str) -> None:
    assert set(SOURCES[kind]) == set(PLACES)
    for cell in SOURCES[kind].values():
        check(cell)


def test_each_format_has_a_test_of_what_it_refuses() -> None:
    assert set(FORMATS) == set(DATASETS)
    for cells in FORMATS.values():
        for cell in (*cells, DAMAGED):
            check(cell)
