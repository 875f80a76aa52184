"""One nginx worker that serves a folder as buckets with path-style keys: GET, HEAD, ranges, and listings made before.

sendfile from tmpfs makes it faster than any feed here, so that it is not what is measured. A second port of the
same worker lets each request wait before it is answered, without holding others up.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

MODULES = Path("/usr/lib/nginx/modules")
START_SECONDS = 10
SAVED_SECONDS = 0.05
"""Time whose requests a server that takes only so many a second lets come at once."""
_LIMITED = """
      local taken, now = ngx.shared.taken, ngx.now()
      local free = math.max(taken:get("free") or 0, now - %(saved_seconds)g)
      if free > now then return ngx.exit(503) end
      taken:set("free", free + %(each_seconds)g)
"""
LISTINGS = ".listings"
"""Folder beside the buckets: a page of a listing is BUCKET/PREFIX/PAGE.xml in it, the prefix written as in a URL."""


def find_nginx() -> str | None:
    """Return the path of nginx, None where it is missing."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/sbin")


def missing_parts() -> str:
    """Say what is missing to serve with added latency; empty if nothing is."""
    if find_nginx() is None:
        return "nginx is not installed (Debian: apt-get install nginx libnginx-mod-http-lua)"
    if not (MODULES / "ngx_http_lua_module.so").exists():
        return "nginx's lua module is not installed (Debian: apt-get install libnginx-mod-http-lua)"
    return ""


def install() -> None:
    """Install nginx with its lua module where that is possible: Debian, as root."""
    if missing_parts() and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "nginx", "libnginx-mod-http-lua"]):
            subprocess.run(["apt-get", "-qq", *words], check=False, env=environment, stdout=subprocess.DEVNULL)


def version() -> str:
    """Return nginx's version."""
    nginx = find_nginx()
    assert nginx is not None
    return subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr.strip()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [int(found.getsockname()[1]) for found in sockets]


def _server_block(port: int, root: Path, latency_seconds: float, failing_share: float, per_second: float) -> str:
    slept = f"ngx.sleep({latency_seconds}) " if latency_seconds else ""
    failed = f"if math.random() < {failing_share} then return ngx.exit(503) end " if failing_share else ""
    limited = _LIMITED % {"saved_seconds": SAVED_SECONDS, "each_seconds": 1 / per_second} if per_second else ""
    wait = f"access_by_lua_block {{ {slept}{failed}{limited}}}" if slept or failed or limited else ""
    return f"""
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {root};
    location ~ ^/(?<bucket>[a-z0-9-]+)$ {{ {wait} rewrite ^ /{LISTINGS}/$bucket/$arg_prefix/$page.xml break; }}
    location / {{ limit_except GET {{ deny all; }} {wait} }}
  }}"""


def beginning(folder: Path, *, with_lua: bool) -> str:
    """Return what all configurations begin with: one worker, files sent by the kernel; the block http stays open."""
    modules = [MODULES / f"{name}.so" for name in ("ndk_http_module", "ngx_http_lua_module")] if with_lua else []
    loads = "\n".join(f"load_module {path};" for path in modules)
    temps = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{loads}
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
{temps}
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  open_file_cache max=8192 inactive=1h;
  open_file_cache_valid 1h;"""


def _config(
    folder: Path, root: Path, ports: dict[float, int], log: Path | None, failing_share: float, per_second: float
) -> str:
    access = f"log_format bytes '$status $body_bytes_sent';\n  access_log {log} bytes" if log else "access_log off"
    servers = "".join(_server_block(port, root, latency, failing_share, per_second) for latency, port in ports.items())
    return f"""{beginning(folder, with_lua=any(ports) or failing_share > 0 or per_second > 0)}
  {access};
  {"lua_shared_dict taken 64k;" if per_second else ""}
  map $args $page {{ default 0; "~(?:^|&)continuation-token=(?<token>[0-9]+)" $token; }}
{servers}
}}
"""


@contextlib.contextmanager
def serve(
    folder: Path,
    root: Path,
    latencies_seconds: list[float],
    *,
    log: Path | None = None,
    failing_share: float = 0.0,
    per_second: float = 0.0,
) -> Iterator[dict[float, str]]:
    """Serve ``root`` until left; gives an address for each added latency.

    Args:
        folder: of the server's own files.
        root: what is served.
        latencies_seconds: a port each.
        log: a line an answer: its status and the bytes of its body that were sent; None writes none.
        failing_share: of requests, listings too, that are answered with 503.
        per_second: requests that are served, of all ports together; more are answered with 503. 0 serves all.

    Raises:
        RuntimeError: nginx did not start; the text holds what it said.
    """
    nginx = find_nginx()
    assert nginx is not None
    folder.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(latencies_seconds, free_ports(len(latencies_seconds)), strict=True))
    config = folder / "nginx.conf"
    config.write_text(_config(folder, root, ports, log, failing_share, per_second))
    said = folder / "stderr.txt"
    with said.open("wb") as stderr:
        process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(config)], stderr=stderr)
    try:
        for port in ports.values():
            wait_for(process, port, said, seconds=START_SECONDS)
        yield {latency: f"http://127.0.0.1:{port}" for latency, port in ports.items()}
    finally:
        process.terminate()
        process.wait()


def wait_for(process: subprocess.Popen[bytes], port: int, said: Path, *, seconds: float) -> None:
    """Wait until a server answers.

    Args:
        said: file of what it writes.
        seconds: for which it is waited.

    Raises:
        RuntimeError: it did not start.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
                return
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start: {said.read_text().strip()}") from error
            time.sleep(0.02)
