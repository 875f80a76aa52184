"""Tasks: what a sample of a dataset means to a model. Importing this package does not import torch."""

from __future__ import annotations
