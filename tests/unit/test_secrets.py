from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.observe import configure_logging, redact
from penstock.secrets import REDACTED, SECRET_VARIABLES

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
        ("s3://AKIAIOSFODNN7EXAMPLE:wJalr/XUtn@bucket/x", "XUtn"),
        ("https://user:pa/55@host/x", "55"),
        ("http://AKID%3AsecretKEY%40host:9000 failed", "secretKEY"),
        ("http://AKID:secretKEY%40host:9000 failed", "secretKEY"),
        ("http://AKID%253asecretKEY%2540host", "secretKEY"),
        ("http://AKID%3Asecret/KEY%40host", "KEY"),
        ("s3:/AKID:secretKEY@bucket/x", "secretKEY"),
        ("https:/AKID:secret/KEY@host", "KEY"),
        ("https://user:p@ss@host/x", "ss@"),
        ("proxy http://u:/@:9@proxy:3128 failed", ":9@"),
        ("x-amz-security-token: IQoJb3/x+y=", "IQoJb3"),
        ("{'X-Amz-Security-Token': 'IQoJb3/x+y='}", "IQoJb3"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/2026/x, Signature=0a1b2c", "0a1b2c"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNl"),
        ("sent Bearer abc.def-ghi/9 to it", "abc.def"),
        ("the key AKIAIOSFODNN7EXAMPLE is unknown", "AKIAIOSF"),
        ("token hf_abcdefghijABCDEFGHIJ1234 is refused", "hf_abc"),
        ('{"username": "me", "api_key": "0a1b2c"}', "0a1b2c"),
        ("aws_secret_access_key = wJalr/XUtn+x", "wJalr"),
        ("aws_session_token=IQ/x", "IQ/x"),
        ("<SecretAccessKey>wJalr/XUtn</SecretAccessKey>", "wJalr"),
        ("KAGGLE_KEY=0a1b2c", "0a1b2c"),
        ("the token ya29.a0AfH6SMBx-y_z is refused", "a0AfH6"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v/YmFy+w==;X=1", "Zm9v"),
        ("AccountName=a;SharedAccessSignature=sig=Zm9v&sv=1", "Zm9v"),
        ("https://h/k?AWSAccessKeyId=AKID&Expires=1&Signature=a%2Fb", "a%2Fb"),
        ("https://h/k?X-Goog-Signature=0a1b2c", "0a1b2c"),
        ("password: hunter2", "hunter2"),
    ],
)
def test_what_a_url_carries_is_taken_out(text: str, secret: str) -> None:
    cleaned = redact(text, {})
    assert secret not in cleaned
    assert REDACTED in cleaned


def test_rest_of_a_url_stays() -> None:
    signed = "GET https://host/key?X-Amz-Signature=0a1b&part=7 took 3 s, mail me@example.org"
    assert redact(signed, {}) == f"GET https://host/key?X-Amz-Signature={REDACTED}&part=7 took 3 s, mail me@example.org"
    for plain in (
        "s3://bucket/prefix@2/x",
        "http://127.0.0.1:9000/bucket/key",
        "AccessDenied: check s3:GetObject and AWS_SECRET_ACCESS_KEY, the bearer of bad news",
        "AWS_PROFILE=me key=a/b token bytes=12 monkey=3 access_key_id missing",
    ):
        assert redact(plain, {}) == plain


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_PASSWORD", "MY_API_KEY", "DB_SECRET", "GITHUB_TOKEN", "AZURE_STORAGE_KEY"]
)
def test_variables_are_known_by_the_end_of_their_names(name: str) -> None:
    assert redact(f"it said {SECRET}", {name: SECRET}) == f"it said {REDACTED}"
    assert redact("it said /var/run/token", {f"{name}_FILE": "/var/run/token"}) == "it said /var/run/token"


@given(before=st.text(), secret=st.text(min_size=8).filter(lambda text: text not in REDACTED), after=st.text())
def test_no_text_shows_a_secret(before: str, secret: str, after: str) -> None:
    cleaned = redact(f"{before} {secret} {after}", {"AWS_SECRET_ACCESS_KEY": secret})
    assert secret not in cleaned.replace(REDACTED, "\x00")


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
