"""Templates come of anywhere: whatever one does ends, in bounded memory, by one line."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError, DataError
from penstock.tokens import bounds
from penstock.tokens.templates import Template, compiled, rendered
from support.chats import CHATML_MARKED

GROWS = "{%% set ns = namespace(x=%s) %%}{%% for i in range(100) %%}{%% set ns.x = %s %%}{%% endfor %%}{{ ns.x }}"
LONG = "{% set a = 'a' * 10**6 %}"
BOMBS = {
    "a macro of itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a block of itself": "{% block a %}{{ self.a() }}{% endblock %}",
    "a loop of itself": "{% for i in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "macros by twos": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "text in loops": "{% for i in range(99999) %}" + "x" * 10_000 + "{% endfor %}",
    "text in a macro": "{% macro f() %}"
    + "x" * 100_000
    + "{% endmacro %}{% for i in range(9999) %}{{ f() }}{% endfor %}",
    "times": "{{ 'a' * 10**10 }}",
    "times of a list": "{{ ([1] * 10**10) | length }}",
    "a power": "{{ 10 ** (10 ** 10) }}",
    "a number squared": GROWS % ("10", "ns.x * ns.x"),
    "twice by ~": GROWS % ("'a'", "ns.x ~ ns.x"),
    "twice by +": GROWS % ("'a'", "ns.x + ns.x"),
    "twice by a block": "{% set ns = namespace(x='a') %}{% for i in range(100) %}"
    "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
    "lists by twos": GROWS % ("[]", "[ns.x, ns.x]"),
    "tuples by twos": GROWS % ("(1, 2)", "(ns.x, ns.x)"),
    "mappings by twos": GROWS % ("1", "{'a': ns.x, 'b': ns.x}"),
    "mappings by dict": GROWS % ("1", "dict(a=ns.x, b=ns.x)"),
    "a width of a filter": "{{ 'a' | center(10**10) }}",
    "a width of a method": "{{ 'a'.zfill(10**10) }}",
    "a width of %": "{{ '%10000000000d' % 1 }}",
    "a width of format": "{{ '{:{}}'.format(1, 10**10) }}",
    "a width that is given": "{{ '%*d' | format(10**10, 1) }}",
    "an indent": "{{ messages | tojson(indent=10**9) }}",
    "lines indented": "{{ ('\n' * 10**6) | indent(10**6, true, true) }}",
    "replaced": LONG + "{{ a.replace('a', a) }}",
    "replaced by a filter": LONG + "{{ a | replace('a', a) }}",
    "replaced between": LONG + "{{ a.replace('', a) }}",
    "joined": LONG + "{{ range(9999) | join(a) }}",
    "joined by a method": LONG + "{{ a.join(a) }}",
    "joined of one": LONG + "{{ ([a] * 10**4) | join }}",
}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_STEPS", 50_000)
    monkeypatch.setattr(bounds, "MOST_TEXT", 4 << 20)


def text_of(template: str) -> str:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    return rendered(Template(name="theirs", text=template, special={}, options={}), messages).text


@pytest.mark.parametrize("name", BOMBS)
def test_a_template_that_takes_too_much_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="the chat template of theirs takes too much: it "):
        text_of(BOMBS[name])


def test_nothing_is_made_while_a_template_is_read() -> None:
    compiled("{{ 'a' | center(10**10) }}{% set x = 'a'.center(10**10) %}{{ 'a' ~ ('b' * 10**10) }}", "theirs")
    with pytest.raises(ConfigError, match="the chat template of theirs has 1048577 characters"):
        compiled("x" * (2**20 + 1), "theirs")


def test_what_templates_do_is_what_jinja_does() -> None:
    given = (
        "{% for m in messages %}{{ loop.index }}{{ m.role ~ ':' ~ m['content'] | trim }}{{ m | tojson }}"
        "{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}{% endfor %}"
        "{% set a, b = ('x', [1, 2]) %}{{ a }}{{ b | join(', ') }}{{ '-'.join(['p', 'q']) }}{{ '{:>3}'.format('r') }}"
        "{{ '%s %d' | format('s', 1700000000) }}{{ messages[::-1][0].role }}"
        "{{ messages | map(attribute='role') | list }}"
        "{{ 2 ** 3 * 4 % 5 }}{{ nothing }}{{ none }}{{ {'c': 1}['c'] }}{% set ns = namespace(l=[]) %}"
        "{% for m in messages if m.role == 'user' %}{% set ns.l = ns.l + [m.content] %}{% else %}!{% endfor %}"
        "{{ ns.l }}{% macro f(x, y=2) %}{{ x }}{{ y }}{% endmacro %}{{ f(1) }}"
    )
    assert text_of(given) == (
        '1user:hi{"role": "user", "content": "hi"}role=user;content=hi;'
        '2assistant:ho{"role": "assistant", "content": "ho"}role=assistant;content=ho;'
        "x1, 2p-q  rs 1700000000assistant['user', 'assistant']2None1['hi']12"
    )
    assert text_of(CHATML_MARKED).startswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nho<|im_end|>")
