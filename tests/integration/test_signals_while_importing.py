"""A stop while modules are imported: the interpreter and others raise their own errors in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_EACH = """
import os, signal, sys

words, step = sys.argv[2:], int(sys.argv[1])


class Stops:
    '''Asks for a stop at one of the imports, and raises an error of its own in the place of what comes of it.'''

    def __init__(self, at):
        self.at, self.num_imports = at, 0

    def find_spec(self, name, path=None, target=None):
        stopping = sys.modules.get('penstock.stopping')
        self.num_imports += getattr(stopping, 'is_installed', bool)()
        if self.num_imports == self.at:
            self.at = -1
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except BaseException as error:
                raise RuntimeError('Error calling __set_name__') from error


def end(at, output):
    for number in (1, 2):
        os.dup2(output, number)
    sys.argv = ['penstock', *words]
    sys.meta_path.insert(0, Stops(at))
    from penstock.entry import entry

    entry()


at = 1
while True:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        end(at, write)
    os.close(write)
    told = os.fdopen(read).read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 75:
        print(at, code, repr(told))
        break
    if 'Traceback' in told or 'SIGTERM' not in told.splitlines()[-1]:
        raise SystemExit(f'at import {at}: {told}')
    at += step
"""


def test_stop_at_any_import_is_told_in_one_line(tmp_path: Path) -> None:
    words = ("report", "--run-record", tmp_path / "none", "--html", tmp_path / "html")
    command = [sys.executable, "-c", _EACH, "41", *(str(word) for word in words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    at, code, told = ended.stdout.split(maxsplit=2)
    assert int(at) > 100, (code, told)
    assert code == "70", told
    assert "Traceback" not in told
