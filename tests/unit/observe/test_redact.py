from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.observe import configure_logging, redact
from penstock.observe.redact import REDACTED, SECRET_VARIABLES

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"


@pytest.mark.parametrize("variable", SECRET_VARIABLES)
def test_value_of_a_secret_variable_is_taken_out(variable: str) -> None:
    assert redact(f"key={SECRET} end", {variable: SECRET}) == f"key={REDACTED} end"
    assert "wJalr" not in redact("q?x=wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCY", {variable: SECRET})


def test_other_variables_and_unset_secrets_change_nothing() -> None:
    assert (
        redact("region=us-east-2 bytes=12", {"AWS_REGION": "us-east-2", "HF_TOKEN": ""}) == "region=us-east-2 bytes=12"
    )


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET https://user:pa55@host/x", "pa55"),
        ("GET https://hf_abcdef@huggingface.co/x", "hf_abcdef"),
        ("https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=0a1b2c&x=1", "0a1b2c"),
        ("https://h/k?x-amz-security-token=IQoJb3/xx%3D", "IQoJb3"),
        ("https://h/k?X-Amz-Credential=AKIAEXAMPLE%2F2026", "AKIAEXAMPLE"),
        ("https://a.blob.core.windows.net/c/b?sv=1&sig=abc%3D", "abc%3D"),
        ("https://h/?redirect=%3FX-Amz-Signature%3D0a1b2c", "0a1b2c"),
    ],
)
def test_what_a_url_carries_is_taken_out(text: str, secret: str) -> None:
    cleaned = redact(text, {})
    assert secret not in cleaned
    assert REDACTED in cleaned


def test_rest_of_a_url_stays() -> None:
    signed = "GET https://host/key?X-Amz-Signature=0a1b&part=7 took 3 s, mail me@example.org"
    assert redact(signed, {}) == f"GET https://host/key?X-Amz-Signature={REDACTED}&part=7 took 3 s, mail me@example.org"
    assert redact("s3://bucket/prefix@2/x", {}) == "s3://bucket/prefix@2/x"


@given(before=st.text(), secret=st.text(min_size=8).filter(lambda text: text not in REDACTED), after=st.text())
def test_no_text_shows_a_secret(before: str, secret: str, after: str) -> None:
    cleaned = redact(f"{before} {secret} {after}", {"AWS_SECRET_ACCESS_KEY": secret})
    assert secret not in cleaned.replace(REDACTED, "\x00")


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("penstock")
    before = (root.level, own.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    own.setLevel(before[1])
    root.handlers[:] = before[2]


def _fail(message: str) -> None:
    raise OSError(message)


def test_log_line_is_one_line_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    configure_logging(verbose=True)
    logging.getLogger("penstock.window").info("filled object=%s token=%s bytes=%d", "a\nb", SECRET, 12)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f" INFO penstock.window filled object=a b token={REDACTED} bytes=12")


@pytest.mark.parametrize("verbose", [False, True])
def test_exception_is_told_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRET)
    configure_logging(verbose=verbose)
    try:
        _fail(f"no https://u:pw1234@h/ with {SECRET}")
    except OSError:
        logging.getLogger("penstock.sources").exception("failed")
    told = capsys.readouterr().err
    assert "OSError: no https://" in told
    assert SECRET not in told
    assert "pw1234" not in told
    assert ("Traceback" in told) is verbose


def test_levels_and_second_call(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(verbose=True)
    configure_logging(verbose=False)
    logging.getLogger("penstock.loader").debug("hidden")
    logging.getLogger("botocore").info("hidden")
    logging.getLogger("botocore").warning("shown once")
    told = capsys.readouterr().err
    assert told.count("shown once") == 1
    assert "hidden" not in told
