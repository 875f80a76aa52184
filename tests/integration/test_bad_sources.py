"""Sources that refuse: one line with the object or the place and what to do, the code of its class, nothing left."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import penstock
from penstock.cli import main
from penstock.errors import AccessDenied, ObjectNotFound, PenstockError
from support.azure_server import ACCOUNT
from support.azure_server import KEY as AZURE_KEY
from support.every_source import PLACES, Faulty, Place
from support.ftp_server import PASSWORD, USER
from support.kaggle_server import TOKEN as KAGGLE_TOKEN
from support.objects import content, to_number
from support.small_s3 import Asked, Reply

pytestmark = pytest.mark.usefixtures("children_are_forked")

FILES = {f"objects/{number:04}.bin": content(number) for number in range(8)}
SERVED = [name for name in PLACES if name not in ("local", "ftp")]
"""Sources that HTTP leads to."""

HF_TOKEN = "hf_0123456789abcdefghijklmnopqrstuvwx"
AWS_SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"
GS_TOKEN = "ya29.of-the-test"
SECRETS = {
    "s3": AWS_SECRET,
    "gs": GS_TOKEN,
    "az": AZURE_KEY,
    "hf": HF_TOKEN,
    "kaggle": KAGGLE_TOKEN,
    "ftp": PASSWORD,
    "s3 by inventory": AWS_SECRET,
}
"""That each source is given, and its server gives back in what it says."""
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
    "AZURE_STORAGE_ACCOUNT": ACCOUNT,
    "AZURE_STORAGE_KEY": AZURE_KEY,
    "HF_TOKEN": HF_TOKEN,
    "GOOGLE_OAUTH_ACCESS_TOKEN": GS_TOKEN,
    "KAGGLE_API_TOKEN": KAGGLE_TOKEN,
    "FSSPEC_FTP_USERNAME": USER,
    "FSSPEC_FTP_PASSWORD": f"{PASSWORD}-no-more",
}
"""Credentials of each source; those of FTP are wrong ones."""


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        yield PLACES[request.param](stack, FILES, tmp_path)


def answer_always(place: Place, status: int, secret: str, *, data_alone: bool) -> None:
    """Let the server refuse all, or what asks for bytes of objects, and say the secret that it was given."""
    faulty = place.faulty
    assert isinstance(faulty, Faulty)
    own, is_data = faulty.answer, faulty.is_data

    def answer(asked: Asked) -> Reply:
        if data_alone and not is_data(asked):
            return own(asked)
        return Reply(status=status, body=json.dumps({"message": f"no: {secret}"}).encode())

    faulty.answer = answer


def check_told(text: str, secret: str) -> None:
    assert "\n" not in text
    assert ": " in text
    assert not secret or secret not in text


@pytest.mark.parametrize(("status", "kind"), [(401, AccessDenied), (404, ObjectNotFound)])
@pytest.mark.parametrize(("name", "place"), [(name, name) for name in SERVED], indirect=["place"])
def test_what_is_refused_in_mid_run_is_told(place: Place, name: str, status: int, kind: type[PenstockError]) -> None:
    """Credentials that have ended for good, and an object that is gone, after the listing."""
    secret = SECRETS.get(name, "")
    with penstock.Stream(place.uri("objects"), decode=to_number, batch_size=4, window="2Mi", **place.options) as stream:
        assert len(stream) > 0
        answer_always(place, status, secret, data_alone=True)
        with pytest.raises(kind) as caught:
            next(iter(stream))
    assert type(caught.value) is kind
    assert caught.value.fix
    check_told(str(caught.value), secret)


def listed(place: Place, uri: str, out: Path, *more: str) -> int:
    options = dict(place.options) | dict(place.options.get("storage_options", {}))
    endpoint = options.get("endpoint_url") or options.get("endpoint")
    words = ["list", "--task", "objects", "--source", uri, "--manifest", f"{out}/m", "--plan", f"{out}/p", *more]
    return main([*words, *(["--endpoint-url", str(endpoint)] if endpoint else [])])


REFUSED = {
    **dict.fromkeys(("s3", "gs", "az", "web", "s3 by inventory", "ftp", "kaggle"), 21),
    "urls": 26,
}
"""What wrong credentials end with; those of the Hub are tried by its own tests."""
ELSEWHERE = {
    "local": ("", 20),
    "s3": ("s3://bucket/nothing", 20),
    "gs": ("gs://another-bucket/nothing", 20),
    "az": ("az://another-container/nothing", 20),
    "hf": ("hf://datasets/org/another", 20),
    "kaggle": ("kaggle://datasets/owner/another", 21),
    "web": ("", 20),
    "urls": ("", 26),
    "ftp": ("", 20),
    "s3 by inventory": ("s3://bucket/nothing", 20),
}
"""A place of each source that is not there, where it is none below the usual one, and the code."""


@pytest.mark.parametrize(
    ("status", "name", "place"),
    [(401, name, name) for name in REFUSED] + [(404, name, name) for name in ELSEWHERE],
    indirect=["place"],
)
def test_a_place_that_is_refused_is_told_in_one_line(
    place: Place,
    name: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Wrong credentials, and a place that is not there, on the command line: nothing is written."""
    secret = SECRETS.get(name, "")
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    uri, code = (place.uri("objects"), REFUSED[name]) if status == 401 else ELSEWHERE[name]
    if name == "kaggle" and status == 401:
        monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_" + "f" * 32)
        secret = "f" * 32
    elif name == "ftp" and status == 404:
        monkeypatch.setenv("FSSPEC_FTP_PASSWORD", PASSWORD)
    elif isinstance(place.faulty, Faulty) and name not in ("hf", "kaggle"):
        answer_always(place, status, secret, data_alone=False)
    uri = uri or place.uri("objects" if name == "urls" else "nothing")
    more = ["--source-option", "inventory=s3://inv/of/bucket/config"] if "inventory" in name else []
    out = tmp_path / "out"
    found = listed(place, uri, out, *more)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "error: " in line]
    assert found == code, line
    check_told(line, secret)
    assert not out.exists() or not any(out.iterdir())


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("place", ["urls"], indirect=True)
def test_one_url_that_nobody_gets_is_not_passed_over_as_empty(
    place: Place, skips: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has no size that anybody was told, and is no empty file for that."""
    assert isinstance(place.faulty, Faulty)
    own = place.faulty.answer
    place.faulty.answer = lambda asked: Reply(status=403) if asked.path.endswith("0003.bin") else own(asked)
    code = listed(
        place,
        place.uri("objects"),
        tmp_path / "out",
        "--split",
        "1,0,0",
        *(["--on-bad-object", "skip"] if skips else []),
    )
    told = capfd.readouterr()
    assert code == (0 if skips else 26), told.err
    assert "0003.bin" in told.err + told.out
    assert skips or "cannot be had (HTTP 403)" in told.err


@pytest.mark.parametrize("names", ["0002.x", "000?.x", "0000.x"])
@pytest.mark.parametrize(
    ("task", "more"),
    [("table", ["target=y", "format=csv", "match=*"]), ("images", ["match=*"]), ("objects", [])],
)
def test_urls_that_nobody_gets_are_told_by_each_task(
    task: str, more: list[str], names: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One of them, the first, or all: the server's refusal, and not that they are empty."""
    files = {f"{'ab'[number % 2]}/{number:04}.x": b"x,y\n1,2\n3,4\n" for number in range(4)}
    with contextlib.ExitStack() as stack:
        place = PLACES["urls"](stack, {f"all/{key}": data for key, data in files.items()}, tmp_path)
        assert isinstance(place.faulty, Faulty)
        own = place.faulty.answer
        place.faulty.answer = lambda asked: (
            Reply(status=403) if fnmatchcase(asked.path.rpartition("/")[2], names) else own(asked)
        )
        options = [word for option in more for word in ("--option", option)]
        words = ["list", "--task", task, "--source", place.uri("all"), *options, "--split", "1,0,0"]
        code = main([*words, "--manifest", str(tmp_path / "out" / "m"), "--plan", str(tmp_path / "out" / "p")])
    told = capfd.readouterr().err
    assert code == 26, told
    assert "cannot be had (HTTP 403)" in told
