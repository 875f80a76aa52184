"""A Hub of nginx: the API, links that lead to a second server, and files by range from it; each request waits.

What the API answers is written before: an index that nginx's lua module loads when it starts. sendfile from tmpfs gives
the bytes, so that the server is not what is measured. The access log has a line a request, of both servers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.server import START_SECONDS, beginning, find_nginx, free_ports, wait_for

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ORGANISATION = "org"
LARGE_BYTES = 1 << 16
"""From which on a file lies behind a link."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a server was asked for.

    Attributes:
        num_requests: of all kinds, those that were led elsewhere included.
        num_bytes: of bodies that were sent.
    """

    num_requests: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A running Hub: its address, and the log of what it was asked for."""

    url: str
    log: Path

    def mark(self) -> int:
        """Return where the log ends by now."""
        return self.log.stat().st_size

    def since(self, mark: int) -> Asked:
        """Return what was asked for since a mark."""
        with self.log.open("rb") as file:
            file.seek(mark)
            sizes = [int(line.split()[1]) for line in file.read().decode().splitlines()]
        return Asked(num_requests=len(sizes), num_bytes=sum(sizes))


@contextlib.contextmanager
def serve_hub(folder: Path, root: Path, latency_seconds: float) -> Iterator[Hub]:
    """Serve the folders in ``root`` as repositories of datasets until left.

    Args:
        folder: of the server's own files.
        root: a folder for each repository, of the same name.
        latency_seconds: that each request waits.

    Raises:
        RuntimeError: nginx did not start; the text holds what it said.
    """
    nginx = find_nginx()
    assert nginx is not None
    folder.mkdir(parents=True)
    hub, cdn = free_ports(2)
    (folder / "index.lua").write_text(_index(root))
    log, said, config = folder / "access.log", folder / "stderr.txt", folder / "nginx.conf"
    config.write_text(_config(folder, root, hub=hub, cdn=cdn, latency_seconds=latency_seconds))
    with said.open("wb") as stderr:
        process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(config)], stderr=stderr)
    try:
        wait_for(process, hub, said, seconds=START_SECONDS)
        yield Hub(url=f"http://127.0.0.1:{hub}", log=log)
    finally:
        process.terminate()
        process.wait()


def _index(root: Path) -> str:
    """Return lua's table of all answers: repositories by name, entries and folders by path."""
    repositories = {path.name: _answers(path) for path in sorted(root.iterdir())}
    return f"return {_lua(repositories)}"


def _answers(repository: Path) -> dict[str, object]:
    entries = {}
    for path in sorted(repository.rglob("*")):
        entries[str(path.relative_to(repository))] = _entry(path, str(path.relative_to(repository)))
    name = f"{ORGANISATION}/{repository.name}"
    files = [key for key, entry in entries.items() if entry["type"] == "file"]
    info = {"id": name, "sha": COMMIT, "private": False, "gated": False, "disabled": False, "tags": [], "downloads": 0}
    folders = ["", *(key for key, entry in entries.items() if entry["type"] == "directory")]
    trees = {f"{key}|{deep}": _tree(entries, key, deep=deep == "deep") for key in folders for deep in ("deep", "flat")}
    return {
        "info": json.dumps({**info, "siblings": [{"rfilename": key} for key in files]}),
        "trees": trees,
        "entries": {key: json.dumps(entry) for key, entry in entries.items()},
        "large": {
            key: {"size": str(entry["size"]), "hash": str(entry["oid"])}
            for key, entry in entries.items()
            if "lfs" in entry
        },
    }


def _entry(path: Path, key: str) -> dict[str, object]:
    if path.is_dir():
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": key}
    size_bytes = path.stat().st_size
    digest = hashlib.sha256(key.encode()).hexdigest()  # stands for that of the content, which nobody checks
    found: dict[str, object] = {"type": "file", "oid": digest[:40], "size": size_bytes, "path": key}
    if size_bytes < LARGE_BYTES:
        return found
    return found | {"lfs": {"oid": digest, "size": size_bytes, "pointerSize": 134}}


def _tree(entries: dict[str, dict[str, object]], folder: str, *, deep: bool) -> str:
    below = f"{folder}/" if folder else ""
    inside = {key[len(below) :]: entry for key, entry in entries.items() if key.startswith(below)}
    return json.dumps([entry for rest, entry in inside.items() if deep or "/" not in rest])


def _lua(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"[ {_lua(name)} ]={_lua(each)}" for name, each in value.items()) + "}"
    text = str(value)
    assert "]==]" not in text
    return f"[==[{text}]==]"


def _config(folder: Path, root: Path, *, hub: int, cdn: int, latency_seconds: float) -> str:
    wait = f"access_by_lua_block {{ ngx.sleep({latency_seconds}) }}"
    return f"""{beginning(folder, with_lua=True)}
  log_format asked '$status $body_bytes_sent $request_method $request_uri $http_range $msec';
  access_log {folder}/access.log asked;
  init_by_lua_block {{ repositories = dofile("{folder}/index.lua") }}
  server {{
    listen 127.0.0.1:{hub} backlog=4096;
    location /.small/ {{ internal; alias {root}/; }}
    location ~ ^/api/datasets/{ORGANISATION}/(?<name>[^/]+)(?<rest>/.*)?$ {{
      {wait}
      default_type application/json;
      content_by_lua_block {{{_API}}}
    }}
    location ~ ^/datasets/{ORGANISATION}/(?<name>[^/]+)/resolve/(?<revision>[^/]+)/(?<path>.+)$ {{
      {wait}
      content_by_lua_block {{{_RESOLVE.replace("COMMIT", COMMIT).replace("CDN", f"http://127.0.0.1:{cdn}")}}}
    }}
    location / {{ {wait} return 404; }}
  }}
  server {{
    listen 127.0.0.1:{cdn} backlog=4096;
    root {root};
    location / {{ {wait} }}
  }}
}}
"""


_API = """
        local found = repositories[ngx.var.name]
        local function missing(code) ngx.header["X-Error-Code"] = code; ngx.exit(404) end
        if not found then return missing("RepoNotFound") end
        local verb, rest = string.match(ngx.var.rest or "", "^/([^/]+)/[^/]+/?(.*)$")
        if not verb or verb == "revision" then ngx.print(found.info); return end
        if verb == "tree" then
          local deep = string.lower(ngx.var.arg_recursive or "") == "true"
          local tree = found.trees[rest .. "|" .. (deep and "deep" or "flat")]
          if not tree then return missing("EntryNotFound") end
          ngx.print(tree)
          return
        end
        if verb == "paths-info" then
          ngx.req.read_body()
          local paths, told = ngx.req.get_post_args().paths or {}, {}
          if type(paths) ~= "table" then paths = {paths} end
          for _, path in ipairs(paths) do told[#told + 1] = found.entries[path] end
          ngx.print("[" .. table.concat(told, ",") .. "]")
          return
        end
        missing("EntryNotFound")
      """
_RESOLVE = """
        local found = repositories[ngx.var.name]
        local path = ngx.var.path
        ngx.header["X-Repo-Commit"] = "COMMIT"
        if not found or not found.entries[path] then
          ngx.header["X-Error-Code"] = found and "EntryNotFound" or "RepoNotFound"
          return ngx.exit(404)
        end
        local large = found.large[path]
        if not large then return ngx.exec("/.small/" .. ngx.var.name .. "/" .. path) end
        ngx.header["X-Linked-Size"] = large.size
        ngx.header["X-Linked-ETag"] = '"' .. large.hash .. '"'
        ngx.header["Location"] = "CDN/" .. ngx.var.name .. "/" .. path .. "?Expires=4000000000&Signature=abc"
        ngx.exit(302)
      """
