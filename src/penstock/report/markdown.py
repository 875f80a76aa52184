"""Values that a page or a summary may hold: freed of secrets, cut, and escaped."""

from __future__ import annotations

import re
from html import escape

from penstock.report.svg import clean_text
from penstock.secrets import redact

__all__ = ["MAX_TEXT", "escape_html", "escape_markdown", "tidy"]

MAX_TEXT = 4000
"""Characters of one value, an error for example, that the page shows."""


def tidy(text: str) -> str:
    """Free a value of secrets and of what no page can hold, and cut it where it is very long."""
    text = clean_text(redact(text))
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT:,} characters more)"


def escape_html(text: str) -> str:
    """Escape what HTML would take as its own."""
    return escape(tidy(text))


def escape_markdown(text: str) -> str:
    """Escape what Markdown or the HTML inside it would take as its own, on one line."""
    text = " ".join(tidy(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#|!~])", r"\\\1", text)
