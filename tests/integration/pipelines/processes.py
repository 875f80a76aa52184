"""Runs a pipeline's commands as processes of this machine, each in folders of its own.

The one thing it does for want of a container: an argument that is the path of a mounted volume becomes the path of
that volume's folder. A step can be terminated as the backend does it: the launcher dies of the SIGTERM, and the
container with it, so the command and all that it has started are killed without a word.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from integration.pipelines.executor import Outcome, Step, Store, substitute
from support.forked import Forked


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Launches processes.

    Attributes:
        folder: everything is below it, one folder an attempt: artifacts are there at the path of their URI, as they
            are in a step's container.
        env: environment of the steps, and all of it.
        ends: when an attempt of a task is terminated, by its name: once what is called gives true.
    """

    folder: Path
    env: Mapping[str, str]
    ends: Mapping[str, Callable[[Step], bool]] = field(default_factory=dict)
    output_file: str = "/tmp/kfp_outputs/output_metadata.json"

    def launch(self, step: Step, store: Store) -> Outcome:
        root = self.folder / step.job_id / f"{step.task}-{step.attempt}"

        def local(path: str) -> Path:
            return root / path.replace("://", "/").lstrip("/")

        for uri in step.inputs:
            store.copy(store.path(uri), local(uri))
        output_file = local(self.output_file)
        outputs = step.executor_input["outputs"] | {"outputFile": str(output_file)}
        words = substitute(step.words, step.executor_input | {"outputs": outputs}, local)
        volumes = {mount["mountPath"]: local(mount["mountPath"]) for mount in step.kubernetes.get("emptyDirMounts", [])}
        for folder in (root / "work", *volumes.values()):
            folder.mkdir(parents=True)
        argv = [str(volumes.get(word, word)) for word in words]
        code = self._run(step, argv, root)
        if code == 0:
            for uri in step.outputs.values():
                if local(uri).exists():
                    store.copy(local(uri), store.path(uri))
        return Outcome(
            argv=argv,
            returncode=int(code != 0),
            stdout=(root / "stdout").read_text(),
            stderr=(root / "stderr").read_text(),
            executor_output=json.loads(output_file.read_text()) if output_file.exists() else None,
            command_code=code,
        )

    def _run(self, step: Step, argv: list[str], root: Path) -> int:
        ends = self.ends.get(step.task, lambda _: False)
        assert argv[0] == "penstock", argv
        stays = step.task not in self.ends  # what ends it looks for processes that it started
        process = Forked(argv[1:], environment=self.env, cwd=root / "work", output=root, forks_children=stays)
        while process.poll() is None:
            if ends(step):
                kill_container(process.pid)
            time.sleep(_LOOK_SECONDS)
        return process.wait()


_LOOK_SECONDS = 0.02


def kill_container(pid: int) -> None:
    """Kill a process and all that it has started, in whatever sessions these are."""
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def descendants(pid: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found = [pid]
    while found:
        for child in children.get(found.pop(), ()):
            found.append(child)
            yield child


def step_env(**more: str) -> dict[str, str]:
    """Return the environment of a step: what a container has, and no credential of whoever runs the test."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | more
