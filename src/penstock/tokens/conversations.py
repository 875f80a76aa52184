"""Conversations as rows of datasets have them, as one kind of value.

``messages`` of OpenAI (role and content), ``conversations`` of ShareGPT (from and value), instruction, input and output
of Alpaca, and prompt and completion; which of them a row is follows from its columns unless it is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.errors import DataError
from penstock.texts import did_you_mean

__all__ = ["FORMATS", "Conversation", "conversation_of"]

FORMATS: Final = ("messages", "sharegpt", "alpaca", "prompt")
"""Names of the kinds."""
_ROLES: Final = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "assistant", "bot", "bing", "bard", "model", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "observation", "function_response"), "tool"),
    "system": "system",
}
"""Of ShareGPT, as templates know them."""
_SHOWN: Final = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """What was said.

    Attributes:
        messages: each with a role and a content, and what else a template may ask for.
        tools: that a template is given.
        completion: number of the first message of what completes a prompt; None where there is no prompt.
        plain: prompt and completion as text of no template.
    """

    messages: tuple[dict[str, Any], ...] = ()
    tools: Any = None
    completion: int | None = None
    plain: tuple[str, str] | None = None


def conversation_of(value: Any, *, column: str | None, kind: str | None, tools: str | None) -> Conversation:
    """Return the conversation of a row.

    Args:
        value: the row; or a list of messages itself.
        column: that it lies in; None is the usual one of its kind.
        kind: one of ``FORMATS``; None finds it by the columns.
        tools: the column of tools; None is ``tools``, where there is one.

    Raises:
        DataError: it holds none.
    """
    row = value if isinstance(value, Mapping) else {column or "messages": value}
    kind = kind or _kind_of(row, column)
    found = _tools(row, tools)
    if kind in ("messages", "sharegpt"):
        name = column or ("messages" if kind == "messages" else "conversations")
        messages = tuple(_message(each, name, number) for number, each in enumerate(_list(row, name)))
        if not messages:
            raise DataError(f"{name} is empty", fix=_LEAVE_OUT)
        system = row.get("system")
        if kind == "sharegpt" and isinstance(system, str) and system.strip() and messages[0]["role"] != "system":
            messages = ({"role": "system", "content": system}, *messages)
        return Conversation(messages=messages, tools=found)
    return _alpaca(row, found) if kind == "alpaca" else _prompt(row, found)


_LEAVE_OUT: Final = "mend the row, or leave it out by filter"


def _kind_of(row: Mapping[str, Any], column: str | None) -> str:
    if column is not None:
        return "messages"
    for kind, names in (
        ("messages", ("messages",)),
        ("sharegpt", ("conversations",)),
        ("prompt", ("prompt", "completion")),
        ("alpaca", ("instruction", "output")),
    ):
        if all(name in row for name in names):
            return kind
    raise DataError(
        f"no conversation in the columns {', '.join(map(str, row))[:_SHOWN] or '(none)'}",
        fix="a row has messages, conversations, prompt and completion, or instruction and output; say which column by "
        "messages=, and which kind by format=",
    )


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    if name not in row:
        meant = did_you_mean(name, [str(each) for each in row])
        columns = ", ".join(map(str, row))[:_SHOWN]
        raise DataError(f"there is no column {name!r}", fix=f"{meant}the row has: {columns}")
    found = row[name]
    if isinstance(found, str | bytes):
        found = _parsed(found, name)
    if isinstance(found, np.ndarray):
        found = list(found)
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        raise DataError(f"{name} is no list of messages, but {_shown(found)}", fix=_LEAVE_OUT)
    return list(found)


def _parsed(text: str | bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is text, and no JSON ({error})", fix=_LEAVE_OUT) from error


def _message(given: Any, name: str, number: int) -> dict[str, Any]:
    """Return a message with role and content, without what is missing: a table has all names of all messages."""
    where = f"message {number} (from 0) of {name}"
    if not isinstance(given, Mapping):
        raise DataError(f"{where} is no mapping, but {_shown(given)}", fix=_LEAVE_OUT)
    message = {str(key): _without_missing(value) for key, value in given.items() if value is not None}
    if "from" in message and "role" not in message:
        role = _ROLES.get(str(message["from"]).lower())
        if role is None:
            known = ", ".join(_ROLES)
            raise DataError(
                f"{where} is from {_shown(message['from'])}", fix=f"it may be from {known}; rename it by map"
            )
        message = {"role": role, **{key: each for key, each in message.items() if key != "from"}}
    if "value" in message and "content" not in message:
        message["content"] = message.pop("value")
    role = message.get("role")
    if not isinstance(role, str) or not role:
        raise DataError(f"{where} has no role, but {', '.join(message)[:_SHOWN] or 'nothing'}", fix=_LEAVE_OUT)
    if "content" not in message and not message.get("tool_calls"):
        raise DataError(f"{where} has neither content nor tool_calls", fix=_LEAVE_OUT)
    content = message.setdefault("content", "")
    if not isinstance(content, str | list):
        raise DataError(f"the content of {where} is {_shown(content)}", fix="give text, or a list of parts")
    return message


def _without_missing(value: Any) -> Any:
    """Return parts and calls without the names that a table adds to them."""
    if isinstance(value, Mapping):
        return {key: _without_missing(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple | np.ndarray):
        return [_without_missing(each) for each in value]
    return value


def _tools(row: Mapping[str, Any], name: str | None) -> Any:
    if name is not None and name not in row:
        raise DataError(
            f"there is no column {name!r} of tools", fix=f"the row has: {', '.join(map(str, row))[:_SHOWN]}"
        )
    found = row.get(name or "tools")
    if isinstance(found, str | bytes):
        found = _parsed(found, name or "tools") if found.strip() else None
    found = _without_missing(found)
    return found or None


def _alpaca(row: Mapping[str, Any], tools: Any) -> Conversation:
    instruction, given, output = (_text(row, name) for name in ("instruction", "input", "output"))
    asked = f"{instruction}\n\n{given}" if given.strip() else instruction
    system = [{"role": "system", "content": row["system"]}] if _is_text(row.get("system")) else []
    messages = (*system, {"role": "user", "content": asked}, {"role": "assistant", "content": output})
    return Conversation(messages=messages, tools=tools, completion=len(messages) - 1)


def _prompt(row: Mapping[str, Any], tools: Any) -> Conversation:
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        return Conversation(plain=(prompt, completion), tools=tools)
    before, behind = (
        tuple(_message(each, name, number) for number, each in enumerate(_list(row, name)))
        for name in ("prompt", "completion")
    )
    if not before or not behind:
        raise DataError("prompt or completion is empty", fix=_LEAVE_OUT)
    return Conversation(messages=(*before, *behind), tools=tools, completion=len(before))


def _text(row: Mapping[str, Any], name: str) -> str:
    found = row.get(name)
    if found is None and name == "input":
        return ""
    if not isinstance(found, str):
        raise DataError(f"{name} is no text, but {_shown(found)}", fix=_LEAVE_OUT)
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _shown(value: Any) -> str:
    return " ".join(repr(value).split())[:_SHOWN]
