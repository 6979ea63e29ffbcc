"""An alarm's action: read strictly, written back the same."""

from __future__ import annotations

from typing import Any

import pytest
from ha_alarms.target import NAME, Target, read_action, write_action
from hypothesis import given
from hypothesis import strategies as st

names = st.from_regex(NAME, fullmatch=True).filter(str.isascii)
plain = st.text(min_size=0, max_size=20)


def test_a_whole_action() -> None:
    url = (
        "trust+mistral://9f0c@My_Repair.v2?trait.server=instance_id"
        "&input.pool=web&json.tries=3&alarm=body&namespace=ours"
    )
    assert read_action(url) == Target(
        "My_Repair.v2",
        namespace="ours",
        inputs={"pool": "web", "tries": 3},
        traits={"server": "instance_id"},
        alarm_input="body",
    )


@given(
    workflow=names,
    inputs=st.dictionaries(names, plain | st.integers() | st.none()),
)
def test_what_is_written_is_read_back(
    workflow: str, inputs: dict[str, Any]
) -> None:
    target = Target(workflow, inputs=inputs)
    assert read_action(write_action(target)) == target


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("trust+http://x", "does not begin with trust+mistral://"),
        ("mistral://x", "does not begin with trust+mistral://"),
        ("trust+mistral://", "the workflow '' is no name"),
        ("trust+mistral://a%20b", "the workflow 'a b' is no name"),
        ("trust+mistral://wf/executions", "has a path"),
        ("trust+mistral://wf?wat=1", "'wat' is unknown; there are alarm="),
        ("trust+mistral://wf?trait.=x", "'trait.' is unknown"),
        ("trust+mistral://wf?trait.a=b c", "the trait 'b c' is no name"),
        ("trust+mistral://wf?json.a={", "is not JSON; text goes into input.a"),
        ("trust+mistral://wf?input.a=1&trait.a=b", "'a' is given twice"),
        ("trust+mistral://wf?input.a=1&alarm=a", "'a' is given twice"),
        ("trust+mistral://wf?nothing", "cannot be read"),
        ("trust+mistral://wf?input.a=" + "x" * 5000, "longer than 4096"),
        ("trust+mistral://wf?json.a=" + "[" * 4000, "is not JSON"),
    ],
)
def test_a_wrong_action_is_one_sentence(url: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_action(url)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_whatever_the_action_is(text: str) -> None:
    for url in (text, f"trust+mistral://{text}", f"trust+mistral://w?{text}"):
        try:
            assert isinstance(read_action(url), Target)
        except ValueError as error:
            assert str(error)
