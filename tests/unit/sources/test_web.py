"""Web servers: files, index pages and lists of URLs; redirects, servers without ranges, and what they answer."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ChecksumMismatch,
    ConfigError,
    EmptyListing,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, locate, open_source
from penstock.sources.web import listing, objects
from support.small_s3 import Asked, Reply, SmallS3, small_s3
from support.web_server import Web
from unit.sources.places import QUICK, by_read_into

DATA = bytes(range(256)) * 40
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as served:
        yield served


def opened(uri: str, **limits: Any) -> ObjectSource:
    return open_source(SourceSpec(uri=uri), limits=ClientLimits(**limits) if limits else QUICK)


def listed(uri: str) -> list[ObjectInfo]:
    return asyncio.run(opened(uri).list_all())


def answering(server: SmallS3, replies: dict[str, Reply | Callable[[Asked], Reply | None]]) -> None:
    """Have the server give these answers to these paths."""

    def take_over(asked: Asked) -> Reply | None:
        reply = replies.get(asked.path)
        return reply(asked) if callable(reply) else reply

    server.takeover = take_over


# One file


def test_a_url_of_one_file(web: Web) -> None:
    (web.folder / "one file.bin").write_bytes(DATA)
    source = opened(f"{web.html}/one%20file.bin")
    [info] = asyncio.run(source.list_all())
    assert (info.key, info.size_bytes, info.version[:1]) == ("one file.bin", len(DATA), '"')
    assert asyncio.run(source.get(info)) == DATA
    assert asyncio.run(by_read_into(source, info, 100, 50)) == DATA[100:150]


def test_a_url_of_one_file_with_a_query(server: SmallS3) -> None:
    server.objects["data/file.bin"] = DATA
    source = opened(f"{server.url}/data/file.bin?id=3&v=ä")
    [info] = asyncio.run(source.list_all())
    assert info.key == "file.bin"
    assert asyncio.run(source.get(info)) == DATA
    assert {(asked.path, tuple(asked.query.items())) for asked in server.requests} == {
        ("/data/file.bin", (("id", "3"), ("v", "ä")))
    }


def test_a_folder_without_its_slash_is_settled_where_it_is(web: Web) -> None:
    (web.folder / "folder/deep").mkdir(parents=True)
    (web.folder / "folder/deep/x").write_bytes(b"x")
    source = opened(f"{web.html}/folder")
    assert [info.key for info in asyncio.run(source.list_all())] == ["deep/x"]
    assert source.spec.uri == f"{web.html}/folder/"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SourceError),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, BucketNotFound),
        (407, SourceError),
        (410, BucketNotFound),
        (451, AccessDenied),
        (500, SourceUnavailable),
        (501, SourceError),
        (511, SourceError),
    ],
)
def test_what_a_server_answers_to_a_look_at_a_file(server: SmallS3, status: int, kind: type[PenstockError]) -> None:
    server.takeover = lambda asked: Reply(status=status)
    with pytest.raises(kind, match=f"HTTP {status}") as caught:
        asyncio.run(opened(f"{server.url}/x", max_retries=1).list_all())
    assert type(caught.value) is kind
    assert caught.value.fix


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("place", ["folder/", "folder/list.txt", "folder?x=1"])
def test_a_place_that_is_not_there_is_told_so(server: SmallS3, place: str, status: int) -> None:
    server.takeover = lambda asked: Reply(status=status)
    with pytest.raises(BucketNotFound, match=f"there is no .*HTTP {status}"):
        asyncio.run(opened(f"{server.url}/{place}").list_all())


def test_a_prefix_that_is_not_there_holds_nothing_as_in_a_bucket(server: SmallS3) -> None:
    answering(server, {"/d/": Reply(body=b'<a href="x">x</a>', headers=HTML)})
    source = opened(f"{server.url}/d/")

    async def below() -> list[ObjectInfo]:
        return [info async for page in source.list_objects("nothing") for info in page]

    assert asyncio.run(below()) == []


def test_a_folder_that_a_page_names_and_that_is_gone_is_told(server: SmallS3, caplog: pytest.LogCaptureFixture) -> None:
    server.objects["d/file"] = DATA
    page = b'<a href="file">x</a><a href="gone/">x</a><a href="lost/">x</a>'
    answering(server, {"/d/": Reply(body=page, headers=HTML)})
    assert [info.key for info in asyncio.run(opened(f"{server.url}/d/").list_all())] == ["file"]
    assert "folders=2 why=not_there" in caplog.text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AccessDenied),
        (403, ObjectUnreadable),
        (404, ObjectNotFound),
        (410, ObjectNotFound),
        (412, SourceChanged),
        (416, SourceChanged),
        (451, ObjectUnreadable),
        (429, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_what_a_server_answers_to_a_read(server: SmallS3, status: int, kind: type[PenstockError]) -> None:
    server.takeover = lambda asked: Reply(status=status)
    info = ObjectInfo(key="x", size_bytes=100, version='"e"')
    with pytest.raises(kind) as caught:
        asyncio.run(opened(f"{server.url}/", max_retries=1).get_range(info, 0, 10))
    assert type(caught.value) is kind
    assert caught.value.about == "x"


def test_a_server_says_when_to_come_again(server: SmallS3) -> None:
    server.objects["x"] = DATA
    server.takeover = lambda asked: (
        Reply(status=429, headers={"Retry-After": "1"}) if len(server.requests) == 1 else None
    )
    source = opened(f"{server.url}/x", retry_seconds=20)
    assert len(asyncio.run(source.list_all())) == 1
    assert source.meter.read().retried_requests == 1


def test_a_page_of_a_captive_portal_is_no_file(server: SmallS3) -> None:
    page = b"<html>please sign in</html>" + b" " * 73
    server.takeover = lambda asked: Reply(body=page, headers=HTML)
    for etag in ('"e"', "modified:Wed, 21 Oct 2015 07:28:00 GMT"):
        info = ObjectInfo(key="x", size_bytes=len(page), version=etag)
        for length in (10, len(page)):
            with pytest.raises(SourceError, match="a web page came in the place of x"):
                asyncio.run(opened(f"{server.url}/", max_retries=0).get_range(info, 0, length))


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_server_that_answers_no_head(server: SmallS3, status: int) -> None:
    server.objects["x"] = DATA
    server.takeover = lambda asked: Reply(status=status) if asked.method == "HEAD" else None
    [info] = listed(f"{server.url}/x")
    assert info.size_bytes == len(DATA)
    assert [asked.headers.get("range") for asked in server.requests] == [None, "bytes=0-0"]


# Index pages


APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head><title>Index of /d</title></head><body>
<h1>Index of /d</h1><table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>
<tr><td><a href="a%20b.bin">a b.bin</a></td><td align="right"> 10K</td></tr>
<tr><td><a href="R&amp;D.bin">R&amp;D.bin</a></td><td align="right"> 10K</td></tr>
<tr><td><A HREF='sub/'>sub/</A></td><td align="right">  - </td></tr>
<tr><td><a href="mailto:a@b.org">write</a> <a href="https://elsewhere.org/x.bin">x</a> <a href="../up.bin">up</a>
<a href="/d/a%2Fb.bin">a slash</a> <a name="x">no link</a> <a href="http://[bad">bad</a></td></tr>
</table></body></html>"""


def test_an_index_page_as_apache_writes_it(server: SmallS3, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("d/a b.bin", "d/R&D.bin", "d/sub/c.bin"):
        server.objects[name] = DATA
    sub = b'<html><a href="../">up</a><a href="c.bin">c</a><a href="./">here</a><a href="/d/">top</a></html>'
    answering(server, {"/d/": Reply(body=APACHE.encode(), headers=HTML), "/d/sub/": Reply(body=sub, headers=HTML)})
    source = opened(f"{server.url}/d/")
    found = asyncio.run(source.list_all())
    assert {info.key: info.size_bytes for info in found} == dict.fromkeys(
        ["R&D.bin", "a b.bin", "sub/c.bin"], len(DATA)
    )
    assert all(asyncio.run(source.get(info)) == DATA for info in found)
    assert "listing.left_out" in caplog.text
    assert "links=4" in caplog.text
    assert source.meter.read().count("LIST").sent == 2


def test_pages_that_lead_round_in_a_circle_have_an_end(server: SmallS3) -> None:
    server.objects["d/a/x"] = DATA
    page = b'<a href="/d/">1</a><a href="/d/a/">2</a><a href="/d/a/x">3</a><a href="/d/a/b/">4</a>'
    replies = {path: Reply(body=page, headers=HTML) for path in ("/d/", "/d/a/", "/d/a/b/")}
    answering(server, replies)
    found = [info.key for info in listed(f"{server.url}/d/")]
    assert found == ["a/x"]


def test_pages_that_go_ever_deeper_are_refused(server: SmallS3) -> None:
    server.takeover = lambda asked: Reply(body=b'<a href="more/">more</a>', headers=HTML)
    with pytest.raises(SourceError, match="go deeper than 32"):
        listed(f"{server.url}/d/")


def test_too_many_folders_are_refused(server: SmallS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_FOLDERS", 20)
    page = "".join(f'<a href="/d/{number}/">x</a>' for number in range(30)).encode()
    server.takeover = lambda asked: Reply(body=page, headers=HTML)
    with pytest.raises(SourceError, match="are more than 20"):
        listed(f"{server.url}/d/")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(body=b"a,b", headers={"Content-Type": "text/csv"}), "is of the type text/csv"),
        (Reply(body=b"a,b"), "that nobody tells"),
        (Reply(body=b"{}", headers={"Content-Type": "application/json"}), "not as nginx writes it"),
        (Reply(body=b"[", headers={"Content-Type": "application/json"}), "not as nginx writes it"),
        (Reply(body=b'[{"name": 3}]', headers={"Content-Type": "application/json"}), "not as nginx writes it"),
        (Reply(status=403), "autoindex"),
        (Reply(status=401), "asks for a login"),
    ],
)
def test_what_is_no_index_page(server: SmallS3, reply: Reply, told: str) -> None:
    server.takeover = lambda asked: reply
    with pytest.raises((SourceError, AccessDenied), match=told):
        listed(f"{server.url}/d/")


def test_a_page_that_names_nothing_is_an_empty_listing(server: SmallS3) -> None:
    server.takeover = lambda asked: Reply(body=b"<html>welcome</html>", headers=HTML)
    with pytest.raises(EmptyListing, match="nothing lies under"):
        listed(f"{server.url}/d/")


@pytest.mark.parametrize("name", ["../../up", "..", ".", "a/../../b", "a//b", "a\\u0000/b"])
def test_names_of_json_that_lead_elsewhere_are_left_out(server: SmallS3, name: str) -> None:
    good = '{"name": "good", "type": "file", "size": 3, "mtime": "Wed, 21 Oct 2015 07:28:00 GMT"}'
    bad = good.replace("good", name)
    odd = '{"name": "dev", "type": "other"}'
    page = Reply(body=f"[{good}, {bad}, {odd}]".encode(), headers={"Content-Type": "application/json"})
    answering(server, {"/d/": page})
    assert [info.key for info in listed(f"{server.url}/d/")] == ["good"]


def test_files_that_the_page_names_and_nobody_gets_are_told_with_why(server: SmallS3) -> None:
    server.objects["d/good"] = DATA
    page = b"".join(b'<a href="%b">x</a>' % name for name in (b"good", b"gone", b"closed", b"endless"))
    answering(
        server,
        {
            "/d/": Reply(body=page, headers=HTML),
            "/d/closed": Reply(status=403),
            "/d/endless": Reply(headers={"Transfer-Encoding": "chunked"}, body=b"0\r\n\r\n"),
        },
    )
    found = {info.key: info.trouble for info in asyncio.run(_all(opened(f"{server.url}/d/")))}
    assert found.pop("good") == ""
    assert found.pop("gone") == "cannot be had (HTTP 404)"
    assert found.pop("closed") == "cannot be had (HTTP 403)"
    assert list(found) == ["endless"]


def test_a_server_that_is_busy_in_the_midst_of_a_listing(server: SmallS3) -> None:
    page = "".join(f'<a href="{number}">x</a>' for number in range(100)).encode()
    server.takeover = lambda asked: Reply(body=page, headers=HTML) if asked.path == "/d/" else Reply(status=503)
    with pytest.raises(SourceUnavailable, match="did not answer"):
        asyncio.run(opened(f"{server.url}/d/", max_retries=1).list_all())


async def _all(source: ObjectSource) -> list[ObjectInfo]:
    return [info async for page in source.list_objects() for info in page]


# Lists of URLs


def put_list(folder: Path, text: str) -> str:
    path = folder / "urls of mine.txt"
    path.write_text(text, encoding="utf-8")
    return f"urls+{path.as_uri()}"


def test_a_list_of_urls_in_a_file(server: SmallS3, tmp_path: Path) -> None:
    server.objects |= {"a/x.bin": DATA, "b/y z.bin": DATA[:100]}
    uri = put_list(tmp_path, f"\ufeff# mine\n\n{server.url}/a/x.bin\r\n{server.url}/b/y%20z.bin?v=1\n")
    source = opened(uri)
    found = asyncio.run(source.list_all())
    assert [info.key for info in found] == [f"{server.url}/a/x.bin", f"{server.url}/b/y%20z.bin?v=1"]
    assert [asyncio.run(source.get(info)) for info in found] == [DATA, DATA[:100]]


def test_a_list_of_urls_on_a_server(server: SmallS3) -> None:
    server.objects |= {"x.bin": DATA, "list.csv": f"name,url\nx,{server.url}/x.bin\n".encode()}
    source = opened(f"urls+{server.url}/list.csv")
    [info] = asyncio.run(source.list_all())
    assert asyncio.run(source.get(info)) == DATA


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("digest", ["sha512", "sha256", "sha1", "md5"])
def test_a_list_that_tells_sizes_and_checksums_asks_for_nothing(
    server: SmallS3, tmp_path: Path, separator: str, digest: str
) -> None:
    server.objects |= {"x.bin": DATA, "y.bin": DATA[:100]}
    good, bad = (hashlib.new(digest, data).hexdigest() for data in (DATA, DATA))
    rows = [["url", "size", digest], [f"{server.url}/x.bin", str(len(DATA)), good.upper()]]
    rows += [[f"{server.url}/y.bin", "100", bad]]
    source = opened(put_list(tmp_path, "\n".join(separator.join(row) for row in rows)), max_retries=1)
    x, y = asyncio.run(source.list_all())
    assert server.requests == []
    assert asyncio.run(source.get(x)) == DATA
    with pytest.raises(ChecksumMismatch, match=r"y\.bin came damaged"):
        asyncio.run(source.get(y))


@pytest.mark.parametrize("digest", ["sha512", "sha256", "sha1", "md5"])
@pytest.mark.parametrize("mark", ["  ", " *"])
def test_lists_as_sha256sum_writes_them(server: SmallS3, tmp_path: Path, digest: str, mark: str) -> None:
    server.objects |= {"x.bin": DATA, "y.bin": DATA[:100]}
    good = hashlib.new(digest, DATA).hexdigest()
    text = "".join(f"{good}{mark}{server.url}/{name}\n" for name in ("x.bin", "y.bin"))
    source = opened(put_list(tmp_path, text), max_retries=1)
    x, y = asyncio.run(source.list_all())
    assert x.version == y.version == f"{digest}:{good}"
    assert asyncio.run(source.get(x)) == DATA
    with pytest.raises(ChecksumMismatch, match=r"y\.bin came damaged"):
        asyncio.run(source.get(y))
    [note] = source.notes()
    assert "checksums of 2 files" in note
    assert "cannot be where parts of it are" in note


def test_a_checksum_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 1 of .*hex digits"):
        asyncio.run(opened(put_list(tmp_path, f"{'a' * 50}  https://h/x")).list_all())


@pytest.mark.parametrize("columns", ["url,sha256", "url,size,sha256,etag"])
@pytest.mark.parametrize("length_bytes", [10, len(DATA)])
def test_a_file_that_changed_is_refused_though_its_checksum_is_what_names_it(
    server: SmallS3, tmp_path: Path, columns: str, length_bytes: int
) -> None:
    """A checksum names content for good, and tells nothing of a part of it: the ETag is what a server is asked by."""
    server.objects["x.bin"] = DATA
    known = {
        "url": f"{server.url}/x.bin",
        "size": str(len(DATA)),
        "sha256": hashlib.sha256(DATA).hexdigest(),
        "etag": hashlib.md5(DATA).hexdigest(),
    }
    text = f"{columns}\n{','.join(known[name] for name in columns.split(','))}"
    source = opened(put_list(tmp_path, text), max_retries=0)
    (info,) = asyncio.run(source.list_all())
    assert info.version == f"sha256:{known['sha256']}"
    assert bytes(asyncio.run(source.get_range(info, 0, length_bytes))) == DATA[:length_bytes]
    server.objects["x.bin"] = bytes(reversed(DATA))
    with pytest.raises(SourceChanged, match=r"x\.bin"):
        asyncio.run(source.get_range(info, 0, length_bytes))


def test_a_list_that_differs_from_the_server(server: SmallS3, tmp_path: Path) -> None:
    server.objects |= {"x.bin": DATA, "y.bin": DATA}
    text = f"url,size,etag\n{server.url}/x.bin,99,\n{server.url}/y.bin,,abc\n{server.url}/z.bin,,\n"
    found = asyncio.run(_all(opened(put_list(tmp_path, text))))
    troubles = [info.trouble for info in found]
    assert troubles[0] == f"has {len(DATA)} bytes, and 99 by the list"
    assert troubles[1].startswith("has the ETag")
    assert troubles[2] == "cannot be had (HTTP 404)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not a url", "line 1 .*'not a url'"),
        ("https://h/a\nftp://h/b", "line 2 .*'ftp'"),
        ("https://h/a\nhttps://h/a", "line 2 .* twice"),
        ("https://user:pw@h/a", "line 1 .* user name"),
        ("https://h/a?X-Amz-Signature=abcdef", "line 1 .*signature"),
        ("url,size\nhttps://h/a,many", "line 2 .*size of 'many'"),
        ("url,size\nhttps://h/a,-1", "line 2 .*size of '-1'"),
        ("url,sha256\nhttps://h/a,abc", "line 2 .*64 hex digits"),
        ('url,etag\nhttps://h/a,W/"x"', "line 2 .*weak"),
        ("size,url\n3,", "line 2 "),
    ],
)
def test_a_list_with_a_bad_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        listed(put_list(tmp_path, text))
    assert "pw@" not in str(caught.value)
    assert "abcdef" not in str(caught.value)


def test_lists_that_are_not_there(server: SmallS3, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound, match="there is no /nowhere/list"):
        listed("urls+file:///nowhere/list")
    with pytest.raises(SourceError, match="cannot read"):
        listed(f"urls+{tmp_path.as_uri()}")
    with pytest.raises(BucketNotFound, match=r"there is no .*/list\.txt on the server"):
        listed(f"urls+{server.url}/list.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="no text in UTF-8"):
        listed(f"urls+{(tmp_path / 'binary').as_uri()}")
    with pytest.raises(EmptyListing):
        listed(put_list(tmp_path, "# nothing\n"))


# URIs


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("https://", "names no host"),
        ("https:///x", "names no host"),
        ("https://h:99999/x", "no URL"),
        ("https://h/a b", "blank"),
        ("https://h/a#b", "#"),
        ("https://user@h/x", "user name"),
        ("https://user:secret@h/x", "user name"),
        ("https://h/x?sig=hunter2", "signature"),
        ("urls+https://user:secret@h/x", "user name"),
        ("urls+file://host/x", "names a host"),
        ("urls+ftp://h/x", "no scheme"),
    ],
)
def test_a_uri_that_cannot_be(uri: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        locate(SourceSpec(uri=uri))
    assert "secret@" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("option", ["endpoint_url", "region", "anonymous", "requester_pays"])
def test_options_of_s3_mean_nothing(option: str) -> None:
    value = "http://localhost:9000" if option.endswith("url") else "us-east-2" if option == "region" else True
    with pytest.raises(ConfigError, match="means nothing for a web server"):
        locate(SourceSpec.of("https://h/", **{option: value}))  # type: ignore[arg-type]


# Servers without ranges, and without versions


def rangeless(server: SmallS3, *, versioned: bool = True) -> None:
    def take_over(asked: Asked) -> Reply | None:
        data = server.objects.get(asked.path[1:])
        headers = {"ETag": f'"{len(data)}-{data[:1].hex()}"'} if data and versioned else {}
        return Reply(body=data, headers=headers) if data is not None else None

    server.takeover = take_over


@pytest.mark.parametrize("versioned", [True, False])
def test_small_files_of_a_server_without_ranges_are_read_whole_once(server: SmallS3, versioned: bool) -> None:
    server.objects["x"] = DATA
    rangeless(server, versioned=versioned)
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())

    async def parts() -> bytes:
        first = await source.get_range(info, 0, 10)
        rest = await asyncio.gather(*(source.get_range(info, at, 100) for at in range(10, 1010, 100)))
        return bytes(first) + b"".join(map(bytes, rest))

    assert asyncio.run(parts()) == DATA[:1010]
    assert [asked.method for asked in server.requests] == ["HEAD", "GET", "GET"]
    assert asyncio.run(source.get(info)) == DATA


def test_large_files_of_a_server_without_ranges_are_refused(server: SmallS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_WHOLE_BYTES", 1000)
    server.objects["x"] = DATA
    rangeless(server)
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())
    with pytest.raises(SourceError, match="gives no ranges, and it has"):
        asyncio.run(source.get_range(info, 10, 10))
    assert asyncio.run(source.get(info)) == DATA  # whole, it may be had


@pytest.mark.parametrize("content", [DATA[::-1], DATA + b"more", DATA[:-1]])
def test_a_file_that_changed_on_a_server_without_ranges(server: SmallS3, content: bytes) -> None:
    server.objects["x"] = DATA
    rangeless(server)
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())
    server.objects["x"] = content
    for offset, length in ((10, 10), (0, len(DATA))):
        with pytest.raises(SourceChanged):
            asyncio.run(source.get_range(info, offset, length))


def test_a_server_that_tells_no_version_is_named_once(server: SmallS3, caplog: pytest.LogCaptureFixture) -> None:
    server.objects |= {"d/x": DATA, "d/y": DATA}
    rangeless(server, versioned=False)
    whole = server.takeover
    page = Reply(body=b'<a href="x">x</a><a href="y">y</a>', headers=HTML)
    server.takeover = lambda asked: page if asked.path == "/d/" else whole(asked)
    with caplog.at_level(logging.WARNING):
        source = opened(f"{server.url}/d/")
        x, _ = asyncio.run(source.list_all())
    assert caplog.text.count("listing.unversioned") == 1
    assert "objects=2" in caplog.text
    assert asyncio.run(source.get(x)) == DATA
    server.objects["d/x"] = DATA[:-1]
    with pytest.raises(SourceChanged):
        asyncio.run(source.get(x))


@pytest.mark.parametrize("told", [{"ETag": 'W/"abc"'}, {"ETag": "no-quotes"}, {}])
def test_without_a_strong_etag_the_date_is_held_to(server: SmallS3, told: dict[str, str]) -> None:
    dates = ["Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:01 GMT"]
    server.takeover = lambda asked: Reply(body=DATA, headers={"Last-Modified": dates[0], **told})
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())
    assert asyncio.run(source.get(info)) == DATA
    assert server.requests[-1].headers["if-unmodified-since"] == dates[0]
    dates.pop(0)
    with pytest.raises(SourceChanged):
        asyncio.run(source.get(info))


# Redirects


def part_of(data: bytes, asked: Asked) -> Reply:
    """Answer as a server does that knows ranges."""
    told = {"ETag": '"e"'}
    span = asked.headers.get("range", "").removeprefix("bytes=")
    if not span:
        return Reply(body=data, headers=told)
    first, last = map(int, span.split("-"))
    told["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Reply(status=206, body=data[first : last + 1], headers=told)


def redirect(where: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": where})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_remembered(server: SmallS3, status: int) -> None:
    server.objects["there/x"] = DATA
    answering(server, {"/x": redirect("/there/x", status)})
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())
    assert asyncio.run(source.get(info)) == DATA
    assert [asked.path for asked in server.requests] == ["/x", "/there/x", "/there/x"]
    assert source.spec.uri == f"{server.url}/x"


def test_a_signed_link_that_has_expired_is_asked_for_anew(server: SmallS3) -> None:
    server.objects["signed"] = DATA
    good = ["1"]

    def signed(asked: Asked) -> Reply | None:
        is_good = asked.query.get("sig") == good[0]
        return part_of(DATA, asked) if is_good else Reply(status=403)

    answering(server, {"/x": lambda asked: redirect(f"/signed?sig={good[0]}"), "/signed": signed})
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())
    for number in range(2, 5):
        good[0] = str(number)
        assert bytes(asyncio.run(source.get_range(info, number, 10))) == DATA[number : number + 10]
    answering(server, {"/x": Reply(status=403), "/signed": Reply(status=403)})
    with pytest.raises(ObjectUnreadable):
        asyncio.run(source.get(info))


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("/x", "redirected more than 5 times"),
        ("ftp://h/x", "no URL of http or https"),
        ("http://user:secret@h/x", "no URL of http or https"),
        ("http://[bad", "no URL of http or https"),
        ("http://h h/x", "no URL of http or https"),
        ("http://169.254.169.254/latest/meta-data/", "is .*169.254.169.254, an address of a private network"),
        ("http://[fe80::1]/x", "is .*fe80::1, an address of a private network"),
        ("http://[::ffff:169.254.169.254]/x", "is .*::ffff:.*, an address of a private network"),
        ("http://[::ffff:a9fe:a9fe]/x", "is .*::ffff:.*, an address of a private network"),
        ("http://[64:ff9b::a9fe:a9fe]/x", "is .*64:ff9b::a9fe:a9fe, an address of a private network"),
        ("http://[2002:a9fe:a9fe::1]/x", "is .*2002:a9fe:a9fe::1, an address of a private network"),
        ("http://[fd00:ec2::254]/x", "is .*fd00:ec2::254, an address of a private network"),
        ("http://2852039166/x", "is .*169.254.169.254, an address of a private network"),
        ("http://100.100.100.200/x", "is .*100.100.100.200, an address of a private network"),
        ("http://168.63.129.16/x", "is .*168.63.129.16, an address of a private network"),
        ("", "redirect that leads nowhere"),
    ],
)
def test_redirects_that_are_not_followed(server: SmallS3, where: str, told: str) -> None:
    answering(server, {"/x": redirect(where)})
    with pytest.raises(SourceError, match=told) as caught:
        asyncio.run(opened(f"{server.url}/x", max_retries=0).list_all())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("/nämlich da.bin", "/n%C3%A4mlich%20da.bin"),
        ("/n%C3%A4mlich%20da.bin", "/n%C3%A4mlich%20da.bin"),
        ("/nämlich%20da.bin?a=b c", "/n%C3%A4mlich%20da.bin"),
        ("/voilà", "/voil%C3%A0"),
    ],
)
def test_a_redirect_may_be_written_as_people_write_it(server: SmallS3, where: str, path: str) -> None:
    """Letters of UTF-8 and blanks are sent as they are by many, and encoded by whoever follows."""
    server.objects |= {"nämlich da.bin": DATA, "voilà": DATA}
    answering(server, {"/x": redirect(where.encode().decode("latin-1"))})
    assert [info.size_bytes for info in listed(f"{server.url}/x")] == [len(DATA)]
    assert server.requests[-1].path == path


def test_a_redirect_never_leads_out_of_https(
    server: SmallS3, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with small_s3(is_open=True, certificate=certificate) as safe:
        safe.objects["y"] = DATA
        answering(safe, {"/x": redirect(f"{server.url}/x"), "/z": redirect(f"{safe.url}/y")})
        with pytest.raises(SourceError, match="without encryption"):
            listed(f"{safe.url}/x")
        assert len(listed(f"{safe.url}/z")) == 1
        answering(server, {"/up": redirect(f"{safe.url}/y")})
        assert len(listed(f"{server.url}/up")) == 1
    assert [asked.path for asked in server.requests] == ["/up"]


@pytest.mark.parametrize("where", ["127.0.0.1", "[::1]", "localhost", "10.0.0.1", "[::ffff:10.0.0.1]", "100.64.0.1"])
def test_a_public_server_leads_to_no_private_one(server: SmallS3, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    answering(server, {"/x": redirect(f"http://{where}/secret")})
    with pytest.raises(SourceError, match="an address of a private network or of this machine"):
        listed("http://public.example/x")
    assert [asked.path for asked in server.requests] == ["/x"]


@pytest.mark.parametrize("where", ["127.0.0.1", "localhost", "10.0.0.1"])
def test_a_list_of_a_public_server_leads_to_no_private_one(
    server: SmallS3, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.objects["list"] = f"http://{where}/secret".encode()
    source = opened("urls+http://public.example/list")
    with pytest.raises(SourceError, match="an address of a private network"):
        asyncio.run(source.list_all())
    info = ObjectInfo(key=f"http://{where}/secret", size_bytes=3, version="")
    with pytest.raises(SourceError, match="an address of a private network or of this machine"):
        asyncio.run(opened("urls+http://public.example/list").get(info))
    assert {asked.path for asked in server.requests} == {"/list"}


def test_a_key_of_a_list_that_is_no_url(tmp_path: Path) -> None:
    source = opened(put_list(tmp_path, "https://h/x"))
    for key in ("h/x HTTP/1.1\r\nHost: other", "h/ä", "file:///etc/passwd"):
        with pytest.raises(ConfigError, match="is no URL"):
            asyncio.run(source.get(ObjectInfo(key=key, size_bytes=3, version="")))


def test_one_server_without_ranges_is_not_all(server: SmallS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_WHOLE_BYTES", len(DATA))
    server.objects["x"] = DATA
    rangeless(server)
    with small_s3(is_open=True) as other:
        other.objects["y"] = DATA * 2
        source = opened(put_list(tmp_path, f"{server.url}/x\n{other.url}/y\n"))
        for info in asyncio.run(source.list_all()):
            assert asyncio.run(source.get_range(info, 5, 10)) == DATA[5:15]


def test_what_a_redirect_leads_to_is_sent_no_more_than_any(server: SmallS3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "hunter2hunter2")
    server.objects["y"] = DATA
    with small_s3(is_open=True) as first:
        answering(first, {"/x": redirect(f"{server.url}/y")})
        listed(f"{first.url}/x")
        told = {name for asked in (*first.requests, *server.requests) for name in asked.headers}
    assert told == {"host", "user-agent", "accept", "accept-encoding"}


def test_truncated_bodies_go_on_from_the_byte_that_was_reached(server: SmallS3) -> None:
    server.objects["x"] = DATA
    cut = Reply(body=DATA[:4000], headers={"Content-Length": str(len(DATA)), "ETag": '"e"', "Connection": "close"})

    def take_over(asked: Asked) -> Reply | None:
        if asked.method == "HEAD":
            return Reply(headers={"ETag": '"e"', "Content-Length": str(len(DATA))})
        if (span := asked.headers.get("range")) is None:
            return cut
        first = int(span.partition("=")[2].partition("-")[0])
        told = {"ETag": '"e"', "Content-Range": f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"}
        return Reply(status=206, body=DATA[first:], headers=told)

    server.takeover = take_over
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())
    assert asyncio.run(source.get(info)) == DATA
    assert server.requests[-1].headers["range"] == f"bytes=4000-{len(DATA) - 1}"
    assert server.requests[-1].headers["if-match"] == '"e"'


def test_who_breaks_a_read_off_is_written_to_no_more(server: SmallS3) -> None:
    server.objects["x"] = DATA
    source = opened(f"{server.url}/x")
    [info] = asyncio.run(source.list_all())

    async def broken_off() -> bytes:
        place = bytearray(len(DATA))
        reading = asyncio.create_task(source.read_into(info, 0, memoryview(place)))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        before = bytes(place)
        await asyncio.sleep(0.2)
        assert bytes(place) == before
        return before

    asyncio.run(broken_off())
