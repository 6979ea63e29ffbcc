"""What a person's yes covers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import NOW, says
from ha_actions.deciders.consent import (
    Basis,
    Yes,
    basis,
    in_words,
    not_covered,
)
from ha_actions.model import Refusal, Ruling, Says, Verdict

SHOWN = Basis(
    code="too_many_down", dead=("bmc_power", "tcp_reach"), down=("c1", "c2")
)
YES = Yes(by="ann", at=NOW, to=SHOWN)


@pytest.mark.parametrize(
    ("now", "covered"),
    [
        (SHOWN, True),
        (replace(SHOWN, down=("c1",)), True),
        (replace(SHOWN, dead=("bmc_power", "tcp_reach", "x")), True),
        (replace(SHOWN, down=("c1", "c2", "c3")), False),
        (replace(SHOWN, down=("c1", "c3")), False),
        (replace(SHOWN, dead=("tcp_reach", "x")), False),
        (replace(SHOWN, code="ask"), False),
        (replace(SHOWN, fenced=("c9",)), False),
    ],
)
def test_the_same_or_better(now: Basis, covered: bool) -> None:
    assert (not_covered(YES, now, NOW + 60, 900) == "") is covered


def test_a_yes_grows_old() -> None:
    assert not_covered(YES, SHOWN, NOW + 900, 900) == ""
    assert "older" in not_covered(YES, SHOWN, NOW + 901, 900)


def test_what_was_shown() -> None:
    verdict = Verdict(
        host="c1",
        ruling=Ruling.DOWN,
        reason="",
        at=NOW,
        testimonies=(
            says("tcp_reach", Says.DEAD),
            says("compute_service", Says.SILENT),
            says("bmc_power", Says.DEAD),
        ),
    )
    refusal = Refusal(
        code="too_many_down", reason="", facts={"down": ["c2", "c1"]}
    )
    assert basis(refusal, verdict) == SHOWN


def test_it_is_said_in_words() -> None:
    slots = Basis(code="no_fence_slot", fenced=("c1", "c9"))
    assert in_words(SHOWN) == "too_many_down with c1, c2 down"
    assert in_words(slots) == "no_fence_slot with the fences used up by c1, c9"
