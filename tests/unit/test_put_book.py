"""Mistral checks a workbook for seconds at each send: one is enough."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ha_actions.records.incidents import Record
from ha_installer.catalogue import Thing
from ha_installer.diff import Change, Verb
from ha_installer.into_mistral import IntoMistral
from ha_installer.rest import Rest


class Mistral:
    """Has a workbook, or has none; remembers what it was asked."""

    def __init__(self, has: bool) -> None:
        self._has = has
        self.asked: list[str] = []

    def ask(
        self, method: str, path: str, *, none_at: int = 0, **more: Any
    ) -> dict[str, str] | None:
        self.asked.append(method)
        says = {("PUT", False): 404, ("POST", True): 409}
        return None if says.get((method, self._has)) == none_at else {}


@pytest.mark.parametrize(
    ("verb", "has", "asked"),
    [
        (Verb.CREATE, False, ["POST"]),
        (Verb.UPDATE, True, ["PUT"]),
        (Verb.CREATE, True, ["POST", "PUT"]),
        (Verb.UPDATE, False, ["PUT", "POST"]),
    ],
)
def test_what_is_likely_is_tried_first(
    verb: Verb, has: bool, asked: list[str]
) -> None:
    mistral = Mistral(has)
    into = IntoMistral(cast(Rest, mistral), cast(Record, None))
    into.apply(Change(verb, Thing("workbook", "ha.v1", "text")))
    assert mistral.asked == asked
