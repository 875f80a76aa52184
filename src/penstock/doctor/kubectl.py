"""A cluster through the user's own ``kubectl``: its kubeconfig, its plugins for credentials, its proxies.

A process a question, started without a shell, its answer as JSON. Nothing else here knows how a cluster is reached.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import ClusterError
from penstock.observe import redact

__all__ = ["Json", "Kubectl", "parse_documents"]

Json = dict[str, Any]

TIMEOUT_SECONDS = 20
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubectl:
    """Asks a cluster.

    Attributes:
        kubeconfig: file that names clusters, None for what kubectl takes itself.
        context: of that file, None for its current one.
    """

    kubeconfig: str | None = None
    context: str | None = None

    def ask(self, *words: str, given: Json | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> Json:
        """Return the JSON object that kubectl answers with.

        Args:
            words: after ``kubectl``.
            given: an object that is passed as its standard input.
            timeout_seconds: after which it is given up.

        Raises:
            ClusterError: there is no kubectl, it failed, or its answer is no JSON object.
        """
        documents = self.ask_all(*words, given=given, timeout_seconds=timeout_seconds)
        if len(documents) != 1:
            raise ClusterError(f"kubectl {words[0]} gave no JSON", fix="use a newer kubectl")
        return documents[0]

    def ask_all(self, *words: str, given: Json | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Json]:
        """Return all JSON objects that kubectl answers with, one after the other.

        Raises:
            ClusterError: as of ``ask``.
        """
        return parse_documents(self.text(*words, given=given, timeout_seconds=timeout_seconds))

    def find(self, *words: str) -> Json | None:
        """Return the one object that ``kubectl get`` gives, None where there is none.

        Raises:
            ClusterError: as of ``ask``.
        """
        return next(iter(self.ask_all("get", *words, "--ignore-not-found", "--output", "json")), None)

    def items(self, *words: str) -> list[Json]:
        """Return the objects of the list that ``kubectl get`` gives.

        Raises:
            ClusterError: as of ``ask``.
        """
        found: list[Json] = self.ask("get", *words, "--output", "json").get("items", [])
        return found

    def text(self, *words: str, given: Json | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
        """Return what kubectl writes.

        Raises:
            ClusterError: there is no kubectl, or it failed.
        """
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and each word stands by itself
                self._argv(words),
                input=None if given is None else json.dumps(given),
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout_seconds,
                start_new_session=True,  # Ctrl-C is for this process, which has a pod to remove
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(
                f"kubectl {words[0]} got no answer for {timeout_seconds:.0f} s",
                fix="check the network to the API server, and --context",
            ) from error
        if done.returncode:
            raise ClusterError(
                f"kubectl {words[0]} failed ({_reason(done.stderr)})",
                fix="check --context, --kubeconfig and your access",
            )
        return done.stdout

    def watch(self, *words: str, timeout_seconds: float) -> Iterator[Json]:
        """Return the objects of a watch as they change, until the time is over or nobody listens any more.

        Raises:
            ClusterError: there is no kubectl.
        """
        # Its own bound ends it where this process is killed.
        bound = f"--request-timeout={max(1, round(timeout_seconds))}s"
        argv = self._argv((*words, "--watch", "--output", "json", bound))
        with subprocess.Popen(  # noqa: S603
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        ) as process:
            assert process.stdout is not None
            timer = threading.Timer(timeout_seconds, process.kill)
            timer.name = "penstock-watch-0"
            timer.start()
            lines: list[str] = []
            try:
                for line in process.stdout:
                    lines.append(line)
                    if line.startswith("}"):
                        yield from parse_documents("".join(lines))
                        lines.clear()
            finally:
                timer.cancel()
                process.kill()
                timer.join()

    def _argv(self, words: Sequence[str]) -> list[str]:
        program = shutil.which("kubectl")
        if program is None:
            raise ClusterError("kubectl is not on the PATH", fix="install it: https://kubernetes.io/docs/tasks/tools/")
        given = (("--kubeconfig", self.kubeconfig), ("--context", self.context))
        return [program, *(word for flag, value in given if value for word in (flag, value)), *words]


def parse_documents(text: str) -> list[Json]:
    """Return the JSON objects that follow each other at the beginning of a text."""
    found: list[Json] = []
    decoder = json.JSONDecoder()
    text = text.lstrip()
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            break
        if isinstance(value, dict):
            found.append(value)
        text = text[end:].lstrip()
    return found


def _reason(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip() and not line.startswith("WARNING")]
    return redact(lines[-1])[:_SHOWN_CHARACTERS] if lines else "it did not say why"
