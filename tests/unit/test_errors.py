"""The error tree: codes, messages, and the way through pickles and processes."""

from __future__ import annotations

import errno
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import errors
from penstock.errors import ConfigError, DiskFull, OutputUnwritable, PenstockError, error_from_fields, map_os_error
from penstock.secrets import redact

DOCS = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def tree(cls: type[PenstockError] = PenstockError) -> list[type[PenstockError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in tree(child))]


OURS = [cls for cls in tree() if cls.__module__ == "penstock.errors"]


def test_each_class_has_an_exit_code_of_its_own() -> None:
    codes = [cls.__dict__.get("exit_code") for cls in OURS]
    assert None not in codes
    assert len(set(codes)) == len(OURS)
    # 0 is success, 126 and up are the shell's and signals'.
    assert all(isinstance(code, int) and 0 < code < 126 for code in codes)


def test_the_documentation_names_each_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.*) \|$", DOCS.read_text(), flags=re.MULTILINE)
    told = {name: (int(code), "*again*" in means) for code, name, means in rows}
    assert told == {cls.__name__: (cls.exit_code, cls.retryable) for cls in OURS if cls is not PenstockError}


def test_every_class_is_public() -> None:
    assert {cls.__name__ for cls in OURS} <= set(errors.__all__)


@given(
    st.sampled_from(OURS),
    st.text(),
    st.text(),
    st.none() | st.text(),
)
def test_an_error_comes_whole_out_of_a_pickle_and_of_its_fields(
    cls: type[PenstockError], what: str, fix: str, about: str | None
) -> None:
    error = cls(what, fix=fix, about=about)
    for copy in (pickle.loads(pickle.dumps(error)), error_from_fields(cls.__name__, what, fix, about)):
        assert type(copy) is cls
        assert (copy.what, copy.fix, copy.about, str(copy)) == (error.what, error.fix, about, str(error))


def test_no_error_shows_a_secret_or_steers_a_terminal() -> None:
    error = PenstockError("no https://u:pa/55@host/ for \x1b]0;a\x07\u202eb", fix="ask \x9b31m again")
    assert str(error) == r"no https://[redacted]@host/ for \x1b]0;a\x07\u202eb: ask \x9b31m again"


def test_an_error_of_an_unknown_name_is_still_an_error() -> None:
    error = error_from_fields("FromTheFuture", "it broke", "update", None)
    assert type(error) is PenstockError
    assert str(error) == "it broke: update"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EFBIG, DiskFull),
        (errno.EACCES, OutputUnwritable),
        (errno.EROFS, OutputUnwritable),
    ],
)
def test_errors_of_the_operating_system_are_mapped(number: int, kind: type[PenstockError]) -> None:
    error = map_os_error(OSError(number, "so it says"), "/some/file")
    assert type(error) is kind
    assert "/some/file" in str(error)
    assert error.fix


@pytest.mark.parametrize("name", ["aws-secret-access-key", "password", "api_key", "hf-auth-token"])
def test_advice_behind_the_name_of_a_secret_is_told_whole(name: str) -> None:
    told = str(ConfigError(f"there is no option {name!r}", fix="penstock list --help names them all"))
    assert redact(told) == told
    assert name in told
    assert told.endswith("penstock list --help names them all")
    assert "hunter2" not in str(ConfigError(f"{name!r}: hunter2 is given", fix="x"))
    assert str(ConfigError("there is no option 'epoch'", fix="x")) == "there is no option 'epoch': x"
