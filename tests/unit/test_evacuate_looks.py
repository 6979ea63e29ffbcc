"""How often Nova is asked about evacuations that are on their way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from ha_actions.model import Claim, Group, Guest, Migration
from ha_actions.records.batches import Batches
from ha_actions.steps.evacuate_servers import EvacuateServers
from unit.fakes import Clock, guest, incident, planned
from unit.test_evacuate_servers import at_work

PETS = [guest(f"db-{n}") for n in range(4)]


class Nova:
    """Each evacuation lands so many seconds after its POST.

    :param takes: guest id -> seconds.
    """

    def __init__(self, clock: Clock, takes: Mapping[str, float]) -> None:
        self.clock = clock
        self.takes = takes
        self.guests_by_id: dict[str, Guest] = {}
        self.posts: dict[str, float] = {}
        self.looks: list[float] = []
        self.paused: dict[str, float] = {}

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[object]:
        return []

    def _landed(self, id: str) -> bool:
        at = self.posts.get(id)
        return at is not None and self.clock.now() >= at + self.takes[id]

    def evacuations(self, source: str) -> list[Migration]:
        return [
            Migration(
                id=str(n + 1),
                guest=id,
                source=source,
                dest="c2",
                status="done" if self._landed(id) else "accepted",
                created_at=at,
            )
            for n, (id, at) in enumerate(self.posts.items())
        ]

    def guests(
        self, ids: Iterable[str], *, brief: bool = False, since: float = 0.0
    ) -> dict[str, Guest]:
        self.looks.append(self.clock.now())
        found = {}
        for id in ids:
            now = self.guests_by_id[id]
            if self._landed(id):
                state = "paused" if id in self.paused else "active"
                now = replace(now, host="c2", vm_state=state)
            found[id] = now
        return found

    def reset_state(self, guest: str, state: str, claim: Claim) -> None:
        pass

    def set_power(self, guest: str, verb: str, claim: Claim) -> None:
        self.paused[guest] = self.clock.now()

    def evacuate(
        self, guest: str, *, keep_off: bool, claim: Claim, host: str = ""
    ) -> None:
        self.posts[guest] = self.clock.now()


def evacuated(
    takes: list[float],
    *,
    pets: list[Guest] = PETS,
    ends: Mapping[str, int] | None = None,
) -> Nova:
    """All of them, in one batch, to its end."""
    clock = Clock()
    nova = Nova(clock, {p.id: s for p, s in zip(pets, takes, strict=True)})
    nova.guests_by_id = {p.id: p for p in pets}
    run = at_work(clock, nova)  # type: ignore[arg-type]
    kept = run.record.part(incident().id, "batch.b1", Batches)
    assert kept is not None
    batch = replace(kept.batch, guests=tuple(planned(p) for p in pets))
    run.record.keep(incident().id, "batch.b1", Batches(batch))
    answer = EvacuateServers(incident=incident().id, batch="b1").perform(run)
    assert answer["counts"] == (ends or {"done": len(pets)})
    return nova


def after(nova: Nova) -> list[float]:
    """Seconds from the last POST to each look at the guests after it."""
    last = max(nova.posts.values())
    return [at - last for at in nova.looks if at > last]


def test_all_that_land_one_by_one_are_looked_at_once() -> None:
    assert len(after(evacuated([3, 6, 9, 12]))) == 1


def test_one_that_hangs_hides_no_other_for_long() -> None:
    first, *_ = after(evacuated([3, 3, 3, 200]))
    assert first <= 30


def test_one_that_was_paused_is_paused_as_soon_as_it_is_there() -> None:
    paused = replace(PETS[0], vm_state="paused")
    nova = evacuated([3, 30, 30, 30], pets=[paused, *PETS[1:]])
    (at,) = nova.paused.values()
    assert at - nova.posts[paused.id] <= 10


def test_one_of_a_group_is_not_kept_from_the_next() -> None:
    group = Group(id="g", policy="anti-affinity")
    mine = [replace(p, group=group) for p in PETS[:2]]
    nova = evacuated([3, 3, 60, 60], pets=[*mine, *PETS[2:]])
    one, other = (nova.posts[p.id] for p in mine)
    assert 3 < other - one <= 10


@pytest.mark.parametrize("landed_s", [570.0, 580.0, 590.0])
def test_who_lands_just_in_time_is_not_called_late(landed_s: float) -> None:
    """The batch has 600 s; the last one never lands."""
    takes = [landed_s, landed_s, landed_s, 9999.0]
    evacuated(takes, ends={"done": 3, "failed": 1})
