"""What Azure Blob Storage's answers mean, and what to do: one table by what it says, then by status.

learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.sax.saxutils import unescape

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.secrets import redact
from penstock.sources.base import changed
from penstock.sources.http.connection import Answer
from penstock.sources.http.response import may_pass as may_pass_by_status
from penstock.sources.stores.between import Told, in_between

__all__ = ["AzureAnswer", "error_of_answer", "is_key_refused", "may_pass", "read_answer"]

MESSAGE_CHARACTERS = 200
MOST_READ_BYTES = 16384

_CODE = re.compile(r"<Code>\s*(\w{1,80})\s*</Code>")
_MESSAGE = re.compile(r"<Message>(.{1,2000}?)</Message>", re.DOTALL)
_DETAIL = re.compile(r"<AuthenticationErrorDetail>(.{1,2000}?)</", re.DOTALL)
_TAIL = re.compile(r"\s*RequestId:.*", re.DOTALL)
"""What each message ends with: an id, and a time."""

_NO_CONTAINER = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled", "ResourceNotFound"})
_BUSY = frozenset({"ServerBusy", "OperationTimedOut", "InternalError", "AccountBeingCreated"})
_KEY_REFUSED = frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo", "ExpiredToken"})
_NOT_PUBLIC = frozenset({"PublicAccessNotPermitted", "NoAuthenticationInformation"})
_OWN_KEY = frozenset({"BlobUsesCustomerSpecifiedEncryption", "BlobCustomerSpecifiedEncryptionMismatch"})


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureAnswer:
    """What an answer says.

    Attributes:
        code: of the service, empty where it says none.
        message: of the service, on one line.
    """

    status: int
    code: str = ""
    message: str = ""

    @property
    def told(self) -> str:
        """What to name it by: ``HTTP 403 AuthenticationFailed``, and what the service says to it."""
        named = f"HTTP {self.status} {self.code}".rstrip()
        return f"{named}: {self.message}" if self.message else named


def read_answer(answer: Answer) -> AzureAnswer:
    """Read an answer: its code is in a header, and in its body, which not each has."""
    text = answer.body[:MOST_READ_BYTES].decode(errors="replace")
    code = (answer.head.header("x-ms-error-code") or "").strip() or _first(_CODE, text)
    message = _TAIL.sub("", _first(_DETAIL, text) or _first(_MESSAGE, text))
    message = redact(" ".join(unescape(message).split()))[:MESSAGE_CHARACTERS]
    return AzureAnswer(status=answer.head.status, code=code[:80], message=message)


def is_key_refused(answer: Answer) -> bool:
    """Tell whether newer credentials may help."""
    status = answer.head.status
    return status == 401 or (status == 403 and read_answer(answer).code in _KEY_REFUSED)


def may_pass(answer: Answer) -> bool:
    """Tell whether the same request may succeed later."""
    return may_pass_by_status(answer.head.status) or read_answer(answer).code in _BUSY


def error_of_answer(
    answer: Answer, spec: SourceSpec, key: str, *, is_object: bool, is_anonymous: bool
) -> PenstockError:
    """Return the error of the tree for an answer that is none of success, with what to do.

    Args:
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
        is_object: it was a single object that was asked for.
        is_anonymous: no credentials were sent.
    """
    about, found = key or spec.uri, read_answer(answer)
    told = in_between(answer, spec) or _by_code(found, spec, about, is_object=is_object, is_nobody=is_anonymous)
    kind, what, fix = told or _by_status(found, spec, about, is_object=is_object, is_anonymous=is_anonymous)
    return kind(what, fix=fix, about=about)


def _by_code(answer: AzureAnswer, spec: SourceSpec, about: str, *, is_object: bool, is_nobody: bool) -> Told | None:
    code, told = answer.code, answer.told
    if code in _NO_CONTAINER and not (is_object and code == "ResourceNotFound"):
        private = ", or it is not public" if is_nobody else ""
        fix = "check its name and the account's" + (", or leave --anonymous out" if is_nobody else "")
        return BucketNotFound, f"the container of {spec.uri} does not exist{private} ({told})", fix
    if code in _NOT_PUBLIC:
        fix = "leave --anonymous out, so that requests are signed"
        return (ObjectUnreadable if is_object else AccessDenied), f"{about} is not public ({told})", fix
    if code == "BlobArchived" and is_object:
        fix = "rehydrate it (az storage blob set-tier --tier Hot) and wait until that is done, or leave it out: "
        return ObjectUnreadable, f"{about} is archived and cannot be read", f"{fix}--on-bad-object skip"
    if code in _OWN_KEY and is_object:
        fix = "blobs encrypted with a key of the caller's own cannot be read: store them otherwise"
        return ObjectUnreadable, f"{about} is encrypted with a key of its writer's ({told})", fix
    if code in _KEY_REFUSED or answer.status == 401:
        return _refused(answer, spec)
    if code == "KeyBasedAuthenticationNotPermitted":
        fix = "sign in with Entra ID (`az login`, a managed identity), and leave the account's key out"
        return AccessDenied, f"the account of {spec.uri} takes no keys ({told})", fix
    if code == "AccountIsDisabled":
        return AccessDenied, f"the account of {spec.uri} is disabled ({told})", "ask who owns it"
    if code == "ServerBusy" or answer.status == 429:
        return SourceUnavailable, f"{spec.uri} asks for fewer requests ({told})", "lower --in-flight, or run it later"
    return None


def _refused(answer: AzureAnswer, spec: SourceSpec) -> Told:
    """Say that credentials are not taken."""
    fix = (
        "check AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or the connection string (of this account? not at its end?), "
    )
    fix += "and this machine's clock"
    return AccessDenied, f"the store of {spec.uri} does not take the credentials ({answer.told})", fix


def _by_status(answer: AzureAnswer, spec: SourceSpec, about: str, *, is_object: bool, is_anonymous: bool) -> Told:
    status, told = answer.status, answer.told
    if status in (412, 416):
        error = changed(spec, about)
        return SourceChanged, error.what, error.fix
    if 300 <= status < 400:
        fix = "give the server that it lies on with --endpoint-url, if that is to be trusted with the credentials"
        return SourceError, f"{spec.uri} was answered with a redirect ({told}), which is not followed", fix
    if status == 403:
        fix = (
            "give the role Storage Blob Data Reader (or a signature with r and l) to whom the credentials are of, let "
        )
        fix += "this network through the account's firewall, or pass --anonymous for a public container"
        if is_anonymous:
            fix = "leave --anonymous out, so that requests are signed"
        return (ObjectUnreadable if is_object else AccessDenied), f"access to {about} was denied ({told})", fix
    if status == 404 and is_object:
        fix = "run `penstock list` again and start a new run"
        return ObjectNotFound, f"{about} is not in {spec.uri} any more", fix
    if status == 404:
        return BucketNotFound, f"there is no {spec.uri} ({told})", "check the container, the account and the endpoint"
    if may_pass_by_status(status) or answer.code in _BUSY:
        fix = (
            "lower --in-flight, or run it later" if status == 429 else "check the network and --endpoint-url, then run "
        )
        return SourceUnavailable, f"{spec.uri} did not answer ({told})", fix if status == 429 else f"{fix}it again"
    return SourceError, f"{spec.uri} refused the request ({told})", "check the URI and --endpoint-url"


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
