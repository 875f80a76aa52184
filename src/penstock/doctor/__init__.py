"""What a machine or a cluster lacks for training there, and what to do about it."""

from __future__ import annotations
