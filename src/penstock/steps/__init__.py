"""One file a step: argv to config to call to exit code."""

from __future__ import annotations
