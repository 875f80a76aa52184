"""Runs a pipeline's commands as processes of this machine, each in folders of its own.

The one thing it does for want of a container: an argument that is the path of a mounted volume becomes the path of
that volume's folder.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from integration.pipelines.executor import Outcome, Step, Store, substitute


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Launches processes.

    Attributes:
        folder: everything is below it, one folder an attempt: artifacts are there at the path of their URI, as they
            are in a step's container.
        env: environment of the steps, and all of it.
    """

    folder: Path
    env: Mapping[str, str]
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
        done = subprocess.run(argv, env=dict(self.env), cwd=root / "work", capture_output=True, text=True, check=False)
        if done.returncode == 0:
            for uri in step.outputs.values():
                if local(uri).exists():
                    store.copy(local(uri), store.path(uri))
        return Outcome(
            argv=argv,
            returncode=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            executor_output=json.loads(output_file.read_text()) if output_file.exists() else None,
        )


def step_env(**more: str) -> dict[str, str]:
    """Give the environment of a step: what a container has, and no credential of whoever runs the test."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | more
