"""Rules: what loads, what is refused, and that answers are pure."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.policy_rules import FACTS, check, evaluate, facts
from ha_actions.errors import BadInput
from ha_actions.model import Aggregate, Group, Guest, Port

GUEST = Guest(
    id="g1",
    name="web-1",
    project="p1",
    host="c1",
    metadata={"role": "web"},
    flavor_specs={"hw:cpu_policy": "dedicated"},
    ports=(Port(id="x", network="net", subnet="sub"),),
    group=Group(id="sg", policy="affinity"),
    volumes=("v1", "v2"),
)
RACK = Aggregate(name="rack-a", hosts=("c1",))
FAR = Aggregate(name="rack-b", hosts=("c2",))

TRUE = [
    "$.name.startsWith('web')",
    "$.name =~ '^web-[0-9]+$'",
    "$.metadata.get(role, '') = web",
    "'rack-a' in $.aggregates and not 'rack-b' in $.aggregates",
    "$.ports.any($.network = net and $.subnet = sub)",
    "$.group?.policy = affinity",
    "$.volumes.len() > 1",
    "$['name'] = 'web-1'",
    "$.flavor_specs.get('hw:cpu_policy') = dedicated",
    "len($.metadata) = 1",
    "switch($.boot = image => true, true => false)",
]


@pytest.mark.parametrize("expression", TRUE)
def test_true(expression: str) -> None:
    # the specimen lacks the name 'web-1' etc., so each is false for it
    check(expression, "rule")
    assert evaluate(expression, facts(GUEST, [RACK, FAR])) == (True, "")


BAD = [
    ("", "is empty"),
    ("  ", "is empty"),
    ("<% $.boot = image %>", "holds '<%'"),
    ("{{ _.boot }}", "holds '{{'"),
    ("$.boot = ", "is not YAQL: Parse error"),
    ("$.boot == image", "is not YAQL: "),
    ("$.nam = web", "reads $.nam, which a guest does not have (did you mean"),
    ("$.boot = image or $.nope", "reads $.nope"),
    ("frob($.name)", "calls frob(), which YAQL has not"),
    ("$.name.frob()", "calls frob(), which YAQL has not"),
    ("$.created_at < now()", "calls now(), which a rule may not"),
    ("random() > 0.5", "calls random(), which a rule may not"),
    ("range(100000000).len() > 1", "calls range(), which a rule may not"),
    ("$.name", "gives 'plain', not true or false"),
    ("$.metadata.len()", "gives 0, not true or false"),
    ("$.metadata[role] = web", "fails for a guest that lacks what it reads"),
    ("$.metadata.role = web", "fails for a guest that lacks what it reads"),
    ("$.group.policy = affinity", "there is nothing to read .policy from"),
    ("$.name =~ '('", "holds a bad regular expression: "),
    ("$.name * 100000000 = a", "fails for a guest"),
]


@pytest.mark.parametrize(("expression", "part"), BAD)
def test_refused_at_load(expression: str, part: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(expression, "policy: rules: rule 1: when")
    message = caught.value.message
    assert message.startswith("policy: rules: rule 1: when ")
    assert part in message
    assert message.endswith(".") and "\n" not in message


def test_facts_are_the_guest_and_its_aggregates() -> None:
    seen = facts(GUEST, [RACK, FAR])
    assert set(seen) == FACTS
    assert seen["aggregates"] == ["rack-a"]
    assert seen["ports"][0]["network"] == "net"


@pytest.mark.parametrize(
    ("changes", "answer"),
    [({}, True), ({"name": "x"}, False), ({"project": "p2"}, True)],
)
def test_remembered_answers_depend_on_what_is_read(
    changes: dict[str, Any], answer: bool
) -> None:
    seen = {**facts(GUEST, []), **changes}
    assert evaluate("$.name = 'web-1'", seen) == (answer, "")


def test_the_bare_guest_reads_everything() -> None:
    expression = "$.get(project) = p2"
    seen = facts(GUEST, [])
    assert evaluate(expression, seen) == (False, "")
    assert evaluate(expression, {**seen, "project": "p2"}) == (True, "")


def test_an_evaluation_changes_no_fact() -> None:
    seen = facts(GUEST, [])
    before = repr(seen)
    evaluate("$.metadata.set(role, x).len() > 0", seen)
    assert repr(seen) == before
