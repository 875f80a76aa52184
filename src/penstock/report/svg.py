"""Matplotlib's SVG made fit to stand inside a page: small, themed, with a title, and of unique ids.

Colours that the page should choose are drawn as their light-theme value and then replaced: ink becomes
``currentColor`` and a series becomes ``var(--chart-1, #...)``, so that one picture reads well on a light
and on a dark page, and also alone.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

__all__ = ["SERIES", "THEME", "clean_text", "to_inline_svg"]

THEME = {
    "#1c2430": "currentColor",
    "#d5dbe3": "var(--chart-grid, #d5dbe3)",
    "#6b7683": "var(--chart-muted, #6b7683)",
    "#2563c9": "var(--chart-1, #2563c9)",
    "#c2560a": "var(--chart-2, #c2560a)",
    "#1b7f4d": "var(--chart-3, #1b7f4d)",
    "#8b3fb8": "var(--chart-4, #8b3fb8)",
    "#0e7490": "var(--chart-5, #0e7490)",
    "#a1346b": "var(--chart-6, #a1346b)",
}
"""What each drawn colour becomes."""
SERIES = tuple(THEME)[3:]
"""Colours of lines, the first first."""

_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT = re.compile(r"font-family:[^;]*;?\s*")
_NUMBER = re.compile(r"-?\d+\.\d+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_GEOMETRY = ("d", "x", "y", "transform")


def clean_text(text: str) -> str:
    """Replace characters that XML cannot hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def to_inline_svg(svg: str, *, name: str, title: str, description: str) -> str:
    """Turn a whole SVG file of matplotlib into an ``<svg>`` element for a page.

    Args:
        svg: what matplotlib wrote.
        name: unique in the page; every id begins with it.
        title: what a screen reader says the picture is; any text.
        description: what it shows, in a sentence; any text.
    """
    root = ET.fromstring(svg)  # noqa: S314 - written by matplotlib in this process
    for tag in ("metadata", "defs"):
        for child in root.findall(f"{{{_SVG}}}{tag}"):
            if tag == "metadata" or child.find(f"{{{_SVG}}}style") is not None:
                root.remove(child)
    for element in root.iter():
        _rewrite(element, name)
    for group in root.iter(f"{{{_SVG}}}g"):
        _hoist_style(group)
    _dress_root(root, name, title, description)
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _rewrite(element: ET.Element, name: str) -> None:
    attributes = element.attrib
    if "id" in attributes:
        attributes["id"] = f"{name}-{attributes['id']}"
    if _HREF in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(_HREF).removeprefix('#')}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{name}-")
    if "style" in attributes:
        attributes["style"] = _theme(_FONT.sub("", attributes["style"]))
    for key in _GEOMETRY:
        if key in attributes:
            text = _NUMBER.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), attributes[key])
            attributes[key] = " ".join(text.split())
    if not (element.text or "").strip():
        element.text = None
    element.tail = None


def _theme(style: str) -> str:
    for drawn, shown in THEME.items():
        style = style.replace(drawn, shown)
    return style


def _hoist_style(group: ET.Element) -> None:
    """Return many markers of one style that style once, on their group: it is most of a scatter plot's bytes."""
    uses = [child for child in group if child.tag == f"{{{_SVG}}}use"]
    styles = {use.get("style") for use in uses}
    if len(uses) < 2 or len(uses) != len(group) or len(styles) != 1 or group.get("style"):
        return
    group.set("style", styles.pop() or "")
    for use in uses:
        use.attrib.pop("style", None)


def _dress_root(root: ET.Element, name: str, title: str, description: str) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.set("style", "stroke-linejoin: round; font-family: inherit; width: 100%; height: auto")
    for tag, text in (("desc", description), ("title", title)):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = clean_text(text)
        root.insert(0, element)
