"""The strict reader: what it takes, and the sentence for what it does not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ha_actions.codec import from_json, nearest, to_json
from ha_actions.errors import BadInput
from ha_actions.model import (
    Batch,
    Choice,
    Group,
    Guest,
    Plan,
    Planned,
    Port,
    Protection,
    Requires,
    Wave,
    Word,
)


class Answer(Word):
    YES = "yes"
    NO = "no"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = field(default=1, metadata={"low": 0, "high": 9})
    level: int | None = field(default=None, metadata={"low": 1, "high": 2})


@dataclass(frozen=True, kw_only=True)
class Doc:
    name: str
    ratio: float = 0.5
    deep: bool = False
    answer: Answer = Answer.YES
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    words: list[str] = field(default_factory=list)
    table: dict[str, int] = field(default_factory=dict)
    maybe: Inner | None = None
    any_value: Any = None


GOOD: list[tuple[dict[str, Any], str, Any]] = [
    ({"ratio": 2}, "ratio", 2.0),
    ({"deep": True}, "deep", True),
    ({"answer": "no"}, "answer", Answer.NO),
    ({"answer": False}, "answer", Answer.NO),
    ({"answer": True}, "answer", Answer.YES),
    ({"inner": {"depth": 9}}, "inner", Inner(depth=9)),
    ({"many": [{}, {"depth": 0}]}, "many", (Inner(), Inner(depth=0))),
    ({"words": ["a"]}, "words", ["a"]),
    ({"table": {"a": 1, 7: 2}}, "table", {"a": 1, "7": 2}),
    ({"maybe": None}, "maybe", None),
    ({"maybe": {}}, "maybe", Inner()),
    ({"inner": {"level": None}}, "inner", Inner()),
    ({"any_value": {"x": [1]}}, "any_value", {"x": [1]}),
]


@pytest.mark.parametrize(("data", "name", "value"), GOOD)
def test_reads(data: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(from_json(Doc, {"name": "x", **data}, "doc"), name) == value


BAD: list[tuple[Any, str]] = [
    (None, "doc must be a mapping, not nothing."),
    ([], "doc must be a mapping, not a list."),
    ({}, "doc lacks the key 'name'."),
    ({"name": None}, "doc: name must be text, not nothing."),
    ({"name": 3}, "doc: name must be text; put 3 in quotes."),
    (
        {"name": True},
        "doc: name must be text; put yes, on or true in quotes.",
    ),
    (
        {"name": "x", "rato": 1},
        "doc has no key 'rato' (did you mean 'ratio'?).",
    ),
    ({"name": "x", True: 1}, "doc has no key 'True'."),
    ({"name": "x", "ratio": "1"}, "doc: ratio must be a number, not '1'."),
    ({"name": "x", "ratio": True}, "doc: ratio must be a number, not True."),
    ({"name": "x", "ratio": float("nan")}, "doc: ratio cannot be nan."),
    ({"name": "x", "ratio": float("inf")}, "doc: ratio cannot be inf."),
    ({"name": "x", "deep": 1}, "doc: deep must be true or false, not 1."),
    (
        {"name": "x", "answer": "of"},
        "doc: answer cannot be 'of' (did you mean 'off'?); "
        "it is one of yes, no, off.",
    ),
    (
        {"name": "x", "answer": ["no"]},
        "doc: answer cannot be ['no'] (did you mean 'no'?); "
        "it is one of yes, no, off.",
    ),
    (
        {"name": "x", "inner": {"depth": 10}},
        "doc: inner: depth is 10; the highest allowed is 9.",
    ),
    (
        {"name": "x", "inner": {"depth": -1}},
        "doc: inner: depth is -1; the lowest allowed is 0.",
    ),
    (
        {"name": "x", "inner": {"depth": 1.0}},
        "doc: inner: depth must be a whole number, not 1.0.",
    ),
    (
        {"name": "x", "many": [{}, {"dept": 1}]},
        "doc: many[1] has no key 'dept' (did you mean 'depth'?).",
    ),
    ({"name": "x", "words": "abc"}, "doc: words must be a list, not 'abc'."),
    (
        {"name": "x", "table": {"a": "1"}},
        "doc: table: a must be a whole number, not '1'.",
    ),
    (
        {"name": "x", "table": {True: 1}},
        "doc: table has the key True; put it in quotes.",
    ),
    (
        {"name": "x", "table": {"1": 1, 1: 2}},
        "doc: table has the key '1' twice.",
    ),
]


@pytest.mark.parametrize(("data", "sentence"), BAD)
def test_refuses_with_a_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        from_json(Doc, data, "doc")
    assert caught.value.code == "malformed"
    assert caught.value.message == sentence


def test_a_plan_survives_json() -> None:
    guest = Guest(
        id="g",
        name="db",
        project="p",
        host="c1",
        metadata={"ha:protection": "pet"},
        ports=(Port(id="p1", network="n"),),
        group=Group(id="sg"),
        volumes=("v1",),
        created_at=1.5,
    )
    choice = Choice(protection=Protection.PET, why={"protection": "x"})
    batch = Batch(
        id="b1",
        action="ha.evacuate_servers",
        requires=Requires.PROOF,
        guests=(Planned(guest=guest, choice=choice),),
    )
    plan = Plan(
        incident="i", host="c1", waves=(Wave(name="w", batches=(batch,)),)
    )
    text = json.dumps(to_json(plan))
    assert from_json(Plan, json.loads(text), "plan") == plan


def test_to_json_gives_plain_values() -> None:
    made = to_json(
        {Answer.NO: (Answer.YES, {"b", "a"}), "x": Inner(), 3: None}
    )
    assert made == {
        "no": ["yes", ["a", "b"]],
        "x": {"depth": 1, "level": None},
        "3": None,
    }
    assert type(made["no"][0]) is str


def test_nearest_is_silent_when_nothing_is_near() -> None:
    assert nearest("zzz", ["mode", "rules"]) == ""
    assert nearest("mod", ["mode", "rules"]) == " (did you mean 'mode'?)"
