"""Conversations as tokens, and which of them are learnt."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.dataset.text_verbs import _template
from penstock.errors import ConfigError, DataError
from penstock.tokens import ChatDocument, Tokenizer, load_tokenizer
from support.chats import CHATML, CHATML_MARKED, LAST_TURN_DIFFERS, LLAMA, MISTRAL, tokenizer

TALK = [
    {"role": "user", "content": "How tall is it?"},
    {"role": "assistant", "content": "Fifty metres, naïve 🙂 one."},
    {"role": "user", "content": "And wide?"},
    {"role": "assistant", "content": "Seven."},
]
ENDS = {"bos_token": "<s>", "eos_token": "</s>"}


def chat(template: str | None, *, train_on: str = "assistant", **options: Any) -> ChatDocument:
    loaded = load_tokenizer(tokenizer())
    found = Tokenizer(name="mine", json=loaded.json, special=ENDS)
    given: dict[str, Any] = {"column": None, "kind": None, "tools": None, "eos": found.special_id("eos_token")}
    made = _template(template, options.pop("template_options", None), found)
    return ChatDocument(tokenizer=found, template=made, train_on=train_on, **{**given, **options})


def told(made: dict[str, Any]) -> tuple[str, str]:
    """Return the text, and what of it is learnt, with a bar between pieces."""
    ids, labels = made["input_ids"].tolist(), made["labels"].tolist()
    assert all(label in (token, -100) for token, label in zip(ids, labels, strict=True))
    parts: list[list[int]] = [[]]
    for label in labels:
        if label == -100:
            parts.append([])
        else:
            parts[-1].append(label)
    decode = tokenizer().decode
    return decode(ids, skip_special_tokens=False), "|".join(
        decode(part, skip_special_tokens=False) for part in parts if part
    )


@pytest.mark.parametrize(
    ("template", "first", "second"),
    [
        (CHATML, "Fifty metres, naïve 🙂 one.<|im_end|>\n", "Seven.<|im_end|>\n"),
        (CHATML_MARKED, "Fifty metres, naïve 🙂 one.<|im_end|>\n", "Seven.<|im_end|>\n"),
        (LLAMA, "Fifty metres, naïve 🙂 one.<|eot_id|>", "Seven.<|eot_id|>"),
        (MISTRAL, " Fifty metres, naïve 🙂 one.</s>", " Seven.</s>"),
    ],
    ids=["chatml", "marked", "llama", "mistral"],
)
def test_what_assistants_say_is_learnt(template: str, first: str, second: str) -> None:
    row = {"messages": TALK}
    assert told(chat(template)(row))[1] == f"{first}|{second}"
    assert told(chat(template, train_on="last")(row))[1] == second
    text, everything = told(chat(template, train_on="all")(row))
    assert text == everything
    assert text.count("Fifty") == 1


def test_blocks_are_found_wherever_a_template_puts_them() -> None:
    macro = (
        "{% macro say(m) %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% endmacro %}"
        "{% for m in messages %}{% if m.role == 'assistant' %}{% set text = say(m) %}{{ text | trim }}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    text, learnt = told(chat(macro)({"messages": TALK}))
    assert learnt == "Fifty metres, naïve 🙂 one.<|im_end|>|Seven.<|im_end|>"
    assert text == "How tall is it?Fifty metres, naïve 🙂 one.<|im_end|>And wide?Seven.<|im_end|>"


def test_a_template_whose_turns_are_no_prefixes_is_named() -> None:
    with pytest.raises(DataError, match=r"chat template of template= gives another text up to message 1"):
        chat(LAST_TURN_DIFFERS)({"messages": TALK})
    assert told(chat(LAST_TURN_DIFFERS, train_on="all")({"messages": TALK}))[0].count("!") == 1


def test_an_assistant_may_speak_first() -> None:
    assert told(chat(CHATML)({"messages": [TALK[1]]}))[1] == "Fifty metres, naïve 🙂 one.<|im_end|>\n"


def test_messages_of_weight_0_are_not_learnt() -> None:
    row = {"messages": [*TALK[:1], {**TALK[1], "weight": 0}, *TALK[2:]]}
    for template in (CHATML, CHATML_MARKED):
        assert told(chat(template)(row))[1] == "Seven.<|im_end|>\n"


@pytest.mark.parametrize(
    "row",
    [
        {"messages": TALK[:2]},
        {"messages": json.dumps(TALK[:2])},
        {"messages": np.array(TALK[:2], dtype=object)},
        {
            "conversations": [
                {"from": "human", "value": TALK[0]["content"]},
                {"from": "gpt", "value": TALK[1]["content"]},
            ]
        },
        {
            "conversations": [
                {"role": "user", "value": TALK[0]["content"]},
                {"from": "GPT", "content": TALK[1]["content"]},
            ]
        },
        {"instruction": TALK[0]["content"], "input": "", "output": TALK[1]["content"]},
        {"instruction": TALK[0]["content"], "input": None, "output": TALK[1]["content"]},
        {"prompt": TALK[:1], "completion": TALK[1:2]},
    ],
)
def test_each_kind_of_row_is_the_same_conversation(row: dict[str, Any]) -> None:
    want = chat(CHATML)({"messages": TALK[:2]})
    assert told(chat(CHATML)(row)) == told(want)


def test_an_alpaca_row_with_input_and_system() -> None:
    row = {"instruction": "Add", "input": "1 2", "output": "3", "system": "You add."}
    text, learnt = told(chat(CHATML, train_on="completion")(row))
    assert text.startswith("<|im_start|>system\nYou add.<|im_end|>\n<|im_start|>user\nAdd\n\n1 2<|im_end|>")
    assert learnt == "3<|im_end|>\n"


def test_plain_prompts_need_no_template_and_end() -> None:
    row = {"prompt": "2 + 2 =", "completion": " 4"}
    assert told(chat(None, train_on="completion")(row)) == ("2 + 2 = 4</s>", " 4</s>")
    assert told(chat(None, train_on="all", eos=None)(row)) == ("2 + 2 = 4", "2 + 2 = 4")


def test_a_completion_is_learnt_alone() -> None:
    row = {"prompt": TALK[:3], "completion": TALK[3:]}
    assert told(chat(CHATML, train_on="completion")(row))[1] == "Seven.<|im_end|>\n"
    assert told(chat(CHATML)(row))[1].count("|im_end|") == 2
    with pytest.raises(DataError, match="has no completion"):
        chat(CHATML, train_on="completion")({"messages": TALK})


def test_parts_and_calls_come_to_the_template_without_what_a_table_adds() -> None:
    each = "{% for m in messages %}{% for name in m %}{{ name }} {% endfor %}{{ m | tojson }}\n{% endfor %}"
    template = each + "{{ tools | tojson }}"
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": None}}}
    row = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi", "image": None}], "tool_calls": None},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ],
        "tools": json.dumps([{"name": "f"}]),
    }
    text, _ = told(chat(template, train_on="all")(row))
    assert text.splitlines() == [
        'role content {"role": "user", "content": [{"type": "text", "text": "hi"}]}',
        'role tool_calls content {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", '
        '"arguments": {"a": 1}}}], "content": ""}',
        '[{"name": "f"}]',
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": "a"}, "no conversation in the columns text"),
        ({"messages": []}, "messages is empty"),
        ({"messages": "[{"}, "messages is text, and no JSON"),
        ({"messages": "5"}, "messages is no list of messages, but 5"),
        ({"messages": ["hello"]}, r"message 0 \(from 0\) of messages is no mapping"),
        ({"messages": [{"content": "a"}]}, "message 0 .* has no role, but content"),
        ({"messages": [{"role": "user"}]}, "has neither content nor tool_calls"),
        ({"messages": [{"role": "user", "content": 5}]}, "the content of message 0 .* is 5"),
        ({"conversations": [{"from": "martian", "value": "a"}]}, "is from 'martian'"),
        ({"messages": TALK[:1]}, "no assistant says anything"),
        ({"instruction": "a", "output": None}, "output is no text, but None"),
        ({"prompt": TALK[:1], "completion": []}, "prompt or completion is empty"),
        ({}, r"no conversation in the columns \(none\)"),
    ],
)
def test_what_is_no_conversation_is_told(row: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        chat(CHATML)(row)


def test_a_template_that_refuses_or_fails_is_an_error_of_the_row() -> None:
    system = {"messages": [{"role": "system", "content": "a"}, *TALK]}
    with pytest.raises(DataError, match="template= refuses it: only user and assistant are supported"):
        chat(MISTRAL)(system)
    for bad in ("{{ messages[99].role }}", "{{ 1 / 0 }}", "{{ strftime_now('%d') }}", "{{ messages.append(1) }}"):
        with pytest.raises(DataError, match="chat template of template= cannot be rendered"):
            chat(bad)({"messages": TALK})


def test_templates_reach_nothing_of_this_process() -> None:
    escape = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(DataError, match="SecurityError"):
        chat(escape)({"messages": TALK})
    with pytest.raises(DataError, match="cannot be rendered"):
        chat("{% for a in range(10**9) %}a{% endfor %}")({"messages": TALK})


def test_a_text_that_is_no_template_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="is no Jinja"):
        penstock.objects(".").chat(tokenizer(), template="{% for %}")
    with pytest.raises(ConfigError, match="no template, and no file"):
        penstock.objects(".").chat(tokenizer(), template="nothing.jinja")


def test_options_come_to_the_template() -> None:
    template = "{{ 'thinks' if enable_thinking else 'does not' }}"
    made = chat(template, train_on="all", template_options={"enable_thinking": True})({"messages": TALK})
    assert told(made)[0] == "thinks"


def test_a_function_encodes_what_is_learnt_apart() -> None:
    made = ChatDocument(
        tokenizer=load_tokenizer(lambda text: list(text.encode())),
        template=_template(CHATML, None, load_tokenizer(tokenizer())),
        column=None,
        kind=None,
        tools=None,
        train_on="assistant",
        eos=None,
    )({"messages": TALK})
    learnt = bytes(made["labels"][made["labels"] != -100].tolist()).decode()
    assert learnt == "Fifty metres, naïve 🙂 one.<|im_end|>\nSeven.<|im_end|>\n"


def test_it_goes_to_workers() -> None:
    made = pickle.loads(pickle.dumps(chat(CHATML_MARKED)))
    assert told(made({"messages": TALK})) == told(chat(CHATML_MARKED)({"messages": TALK}))


def test_rows_of_parquet_are_chats_and_a_bad_one_is_named(tmp_path: Path) -> None:
    rows = [{"messages": TALK}, {"messages": TALK[:2]}, {"messages": TALK[:1]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    made = penstock.parquet(tmp_path).chat(tokenizer(), template=CHATML)
    with made.loader(1, shuffle=False) as loader:
        batches = iter(loader)
        for row in rows[:2]:
            batch = {name: each[0].numpy() for name, each in next(batches).items()}
            assert told(batch) == told(chat(CHATML)(row))
        with pytest.raises(DataError, match=r"a.parquet.*no assistant says anything") as error:
            next(batches)
    assert any("chat of 'a.parquet" in note for note in error.value.__notes__)
