"""Generated datasets, and an embedded S3 server."""

from __future__ import annotations
