"""A folder behind a real nginx, which lists it as a page of HTML and as JSON."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Web", "serve_web"]

START_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Web:
    """A server: what lies in ``folder`` is at ``html`` and at ``json``, URLs without a slash at their end."""

    folder: Path
    html: str
    json: str


@contextlib.contextmanager
def serve_web(scratch: Path, folder: Path) -> Iterator[Web]:
    """Serve a folder for as long as the block runs; the test is skipped where nginx is missing."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    scratch.mkdir(parents=True, exist_ok=True)
    ports = {kind: _free_port() for kind in ("html", "json")}
    config = scratch / "nginx.conf"
    config.write_text(_config(scratch, folder, ports))
    log = (scratch / "log").open("wb")
    with log:
        process = subprocess.Popen([nginx, "-c", str(config), "-p", str(scratch)], stdout=log, stderr=log)
        try:
            urls = {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}
            _wait(urls["json"], process)
            yield Web(folder=folder, **urls)
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _config(scratch: Path, folder: Path, ports: dict[str, int]) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temps = "".join(f"{kind}_temp_path {scratch}/{kind}; " for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port}; root {folder}; autoindex on; autoindex_format {kind}; "
        "autoindex_exact_size off; }\n"
        for kind, port in ports.items()
    )
    return f"""{user}
daemon off; worker_processes 1; pid {scratch}/pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{ access_log off; {temps} tcp_nodelay on;
{servers} }}
"""


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.02)
