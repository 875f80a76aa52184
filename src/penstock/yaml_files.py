"""YAML files that say what to do: their mappings with the lines that things stand in.

Scalars are read by YAML 1.2's JSON schema (section 10.2 of the specification), by which ``no`` and ``1:30`` are texts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigError
from penstock.secrets import redact

if TYPE_CHECKING:
    import yaml

__all__ = ["MOST_BYTES", "PLAIN", "mapping_of", "read_mapping", "read_text", "scalar_of"]

MOST_BYTES = 1 << 20
MOST_DIGITS = 1000
"""Of a number; Python itself reads no more than 4,300."""
PLAIN = "write a value, a list of values, or names with values"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def read_mapping(path: Path, *, wanted: str, like: str) -> yaml.MappingNode | None:
    """Return the mapping that a file is; None of an empty one.

    Args:
        wanted: what to give instead of a file that cannot be read.
        like: what to write where it is no mapping.

    Raises:
        ConfigError: it cannot be read, or is none; the message names file and line.
    """
    return mapping_of(read_text(path, wanted=wanted), str(path), like=like)


def read_text(path: Path, *, wanted: str) -> str:
    """Return the text of a file.

    Raises:
        ConfigError: it cannot be read, has more than ``MOST_BYTES``, or is no UTF-8.
    """
    try:
        return _text(path, wanted)
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", fix=wanted) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8", fix=wanted) from error
    except ValueError as error:  # a name that no file can have
        raise ConfigError(f"cannot read {str(path)[:80]!r} ({error})", fix=wanted) from error


def mapping_of(text: str, name: str, *, like: str) -> yaml.MappingNode | None:
    """Return the mapping that a text is; None of an empty one.

    Args:
        name: of the text, for messages.
        like: what to write where it is no mapping.

    Raises:
        ConfigError: it is none; the message names the line.
    """
    import yaml  # here: `--help` does without it

    try:
        _refuse_tags(text, name)
        found = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise ConfigError(f"{name} is nested too deeply", fix=PLAIN) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(f"{name}{line} is not YAML: {problem}", fix="correct it there") from error
    if found is None:
        return None
    if not isinstance(found, yaml.MappingNode):
        raise ConfigError(f"{name}:{found.start_mark.line + 1} is not a mapping", fix=like)
    return found


def scalar_of(node: yaml.Node, where: str, *, as_text: bool) -> Any:
    """Return the value of a scalar, None of nothing.

    Args:
        where: it stands, for messages.
        as_text: numbers are text.

    Raises:
        ConfigError: it is none.
    """
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{where}: its value is nested too deeply", fix=PLAIN)
    text = str(node.value)
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if as_text or not _NUMBER.fullmatch(text):
        return text
    if len(text) > MOST_DIGITS:
        raise ConfigError(f"{where}: a number of {len(text)} digits", fix="write a shorter one, or quote it for text")
    return json.loads(text)


def _refuse_tags(text: str, name: str) -> None:
    """Refuse tags, by which a value would be taken for something else than is written.

    Raises:
        ConfigError: there is one; the message names the line.
    """
    import yaml

    if "!" not in text:
        return
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.TagToken):
            handle, suffix = token.value
            written = redact(f"{handle or ''}{suffix}")[:80]
            raise ConfigError(
                f"{name}:{token.start_mark.line + 1}: the tag {written!r}",
                fix="leave it out: values are texts, numbers, true, false and null as they are written; quote what is "
                "to be text",
            )


def _text(path: Path, wanted: str) -> str:
    if not path.is_file() and path.exists():
        raise ConfigError(f"{path} is no file", fix=wanted)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} has more than {MOST_BYTES} bytes", fix=wanted)
    return data.decode()
