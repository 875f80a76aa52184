"""What of a conversation is learnt: characters of its text that a model is to give.

A template that has ``generation`` blocks says so itself. Of others the text is rendered up to each turn, with the
template's own prompt, and with the turn: what the second has more is the turn. That holds only where the first is a
prefix of the second, and the second of the whole; where it is not, it is an error that names the template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError, DataError
from penstock.tokens.conversations import Conversation
from penstock.tokens.templates import Template, rendered

__all__ = ["TRAIN_ON", "learnt_text"]

TRAIN_ON: Final = ("assistant", "last", "completion", "all")
"""What is learnt: what assistants say, the last of it, what completes a prompt, or everything."""

Spans = list[tuple[int, int]]


def learnt_text(conversation: Conversation, template: Template | None, train_on: str) -> tuple[str, Spans]:
    """Return the text of a conversation, and characters of it that are learnt, from and to.

    Raises:
        DataError: nothing of it can be learnt, or the template does not tell what.
        ConfigError: a template is needed, and there is none.
    """
    if conversation.plain is not None:
        prompt, completion = conversation.plain
        text = prompt + completion
        return text, [(0 if train_on == "all" else len(prompt), len(text))]
    if template is None:
        raise ConfigError(
            "the tokenizer has no chat template", fix="give template=, as Jinja, the path of a .jinja file, or its name"
        )
    whole = rendered(template, conversation.messages, tools=conversation.tools)
    if train_on == "all":
        return whole.text, [(0, len(whole.text))]
    turns = _turns(conversation, train_on)
    if template.marks_generation:
        return whole.text, _apart(_marked(conversation, template, turns, list(whole.spans)))
    return whole.text, [_by_prefix(conversation, template, turn, whole.text) for turn in turns]


def _apart(spans: Spans) -> Spans:
    """Return spans in their order, those that meet or lie in one another as one."""
    found: Spans = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _turns(conversation: Conversation, train_on: str) -> list[int]:
    """Return numbers of the messages that are learnt; one of weight 0 is not."""
    found = _spoken(conversation)
    if train_on == "completion":
        if conversation.completion is None:
            raise DataError(
                "a conversation has no completion", fix='give train_on="assistant" or "last", or prompt and completion'
            )
        found = [number for number in found if number >= conversation.completion]
    if train_on == "last":
        last = len(conversation.messages) - 1
        found = [number for number in found if number == last]
    learnt = [number for number in found if conversation.messages[number].get("weight") != 0]
    if not learnt:
        lacks = {
            "last": "the last message is not an assistant's",
            "completion": "the completion has no assistant's message",
        }
        told = "all has weight 0" if found else lacks.get(train_on, "no assistant says anything")
        raise DataError(
            f"nothing is learnt of it: {told}",
            fix='leave it out by filter, or give train_on="all"',
        )
    return learnt


def _spoken(conversation: Conversation) -> list[int]:
    return [number for number, message in enumerate(conversation.messages) if message["role"] == "assistant"]


def _marked(conversation: Conversation, template: Template, turns: Sequence[int], spans: Spans) -> Spans:
    """Return what ``generation`` blocks made, of the turns that are learnt."""
    spoken = _spoken(conversation)
    if len(turns) == len(spoken) and spans:
        return spans
    if len(spans) != len(spoken):
        raise DataError(
            f"the chat template of {template.name} made {len(spans)} generation block(s) of {len(spoken)} message(s) "
            "of assistants, so that it is not known which is whose",
            fix="put one block around what each message of an assistant gives",
        )
    return [spans[spoken.index(turn)] for turn in turns]


def _by_prefix(conversation: Conversation, template: Template, turn: int, whole: str) -> tuple[int, int]:
    messages, tools = conversation.messages, conversation.tools
    before = rendered(template, messages[:turn], tools=tools, prompts=True).text if turn else _opening(template)
    behind = rendered(template, messages[: turn + 1], tools=tools).text
    if behind.startswith(before) and whole.startswith(behind):
        return len(before), len(behind)
    raise DataError(
        f"the chat template of {template.name} gives another text up to message {turn} (from 0) than the whole "
        "conversation begins with, so what the assistant says cannot be told by it",
        fix='give a template= that puts {% generation %} … {% endgeneration %} around it, or train_on="all"',
    )


def _opening(template: Template) -> str:
    """Return what comes before an assistant who speaks first: all that two such conversations have in common."""
    one, other = (
        rendered(template, [{"role": "assistant", "content": text}]).text for text in ("\u0416 one", "\u05d0 other")
    )
    same = next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), 0)
    return one[:same]
