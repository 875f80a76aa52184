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

KINDS = ("html", "json")
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
    config = scratch / "nginx.conf"
    with (scratch / "log").open("wb") as log:
        with contextlib.ExitStack() as listening:
            listeners = {kind: listening.enter_context(socket.create_server(("127.0.0.1", 0))) for kind in KINDS}
            ports = {kind: listener.getsockname()[1] for kind, listener in listeners.items()}
            config.write_text(_config(scratch, folder, ports))
            handles = [listener.fileno() for listener in listeners.values()]
            process = subprocess.Popen(
                [nginx, "-c", str(config), "-p", str(scratch)],
                stdout=log,
                stderr=log,
                pass_fds=handles,
                # As one nginx hands its listeners over to the next: no other process can take the ports meanwhile.
                env={**os.environ, "NGINX": "".join(f"{handle};" for handle in handles)},
            )
        try:
            urls = {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}
            _wait(urls["json"], process)
            yield Web(folder=folder, **urls)
        finally:
            process.terminate()
            process.wait()


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
