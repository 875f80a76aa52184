"""A cluster through its real command lines: kubectl and helm."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Object = dict[str, Any]


def run(*words: str, stdin: str | None = None, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)


def succeed(*words: str, stdin: str | None = None, timeout: float = 180) -> str:
    done = run(*words, stdin=stdin, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def wait_until(ask: Callable[[], T | None], *, what: str, seconds: float = 120) -> T:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@dataclass(frozen=True, kw_only=True)
class Refused(Exception):
    """The API server did not take an object."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A namespace of a test's own."""

    name: str
    images: dict[str, str] = field(default_factory=dict)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return succeed("kubectl", "--namespace", self.name, *words, stdin=stdin)

    def helm(self, *words: str, timeout: float = 300) -> str:
        return succeed("helm", "--namespace", self.name, *words, timeout=timeout)

    def apply(self, made: Object) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps(made))

    def admitted(self, made: Object) -> Object:
        """Return an object as the API server would keep it; nothing is kept."""
        words = ("kubectl", "--namespace", self.name, "create", "--dry-run=server", "-o", "json", "-f", "-")
        done = run(*words, stdin=json.dumps(made))
        if done.returncode:
            raise Refused(reason=done.stderr)
        found: Object = json.loads(done.stdout)
        return found

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def log(self, pod: str, container: str, *, previous: bool = False) -> str:
        return self.kubectl("logs", pod, "-c", container, *(["--previous"] if previous else []))

    def finish(self, pod: str, *, seconds: float = 300) -> str:
        """Wait for the end of a pod; give its phase."""

        def ended() -> str | None:
            phase: str = self.get("pod", pod)["status"]["phase"]
            return phase if phase in ("Succeeded", "Failed") else None

        return wait_until(ended, what=f"end of pod {pod}", seconds=seconds)

    def succeed(self, pod: str, *, seconds: float = 300) -> None:
        phase = self.finish(pod, seconds=seconds)
        assert phase == "Succeeded", self.told(pod)

    def told(self, pod: str) -> str:
        """Return all that is known about a pod, for a failed assertion."""
        return self.kubectl("logs", pod, "--all-containers", "--prefix", "--tail=50") + self.kubectl(
            "get", "pod", pod, "-o", "jsonpath={.status}"
        )


def sidecar_status(pod: Object) -> Object:
    found: Object = next(
        status for status in pod["status"].get("initContainerStatuses", []) if status["name"] == "penstock-prefetch"
    )
    return found


def sidecars(pod: Object) -> list[Object]:
    return [made for made in pod["spec"].get("initContainers", []) if made["name"] == "penstock-prefetch"]
