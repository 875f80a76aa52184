"""Video and audio, by PyAV: whole files, or clips of them by time, for which their containers' indexes are read."""

from __future__ import annotations

from penstock.formats.media.format import Audio, Video

__all__ = ["Audio", "Video"]
