"""Many servers at once, for drills: booted side by side, and waited for by
one listing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import TypeVar

K = TypeVar("K")

SIDE_BY_SIDE = 4


def boot_all(
    lab: ModuleType, posts: Mapping[K, Callable[[], str]]
) -> dict[K, str]:
    """Boot servers side by side, each by its post_server(), and wait until
    all are ACTIVE; the same keys -> ids.
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        jobs = {name: pool.submit(post) for name, post in posts.items()}
    ids = {name: job.result() for name, job in jobs.items()}
    wait_all(lab, ids.values(), "ACTIVE")
    return ids


PET = {"ha:protection": "pet", "ha:local-disk": "discard"}


def boot_pets(lab: ModuleType, host: str, count: int) -> list[str]:
    """That many running pets on the host, `pet-0` and so on; their ids."""
    names = [f"pet-{n}" for n in range(count)]
    posts = {n: partial(lab.post_server, n, host, metadata=PET) for n in names}
    return list(boot_all(lab, posts).values())


def wait_all(
    lab: ModuleType, ids: Iterable[str], status: str, seconds: float = 240
) -> None:
    """Wait until each of these servers has that status: one listing a look,
    where `wait_server` asks for each.
    """
    wanted = set(ids)

    def settled() -> bool:
        broken = wanted & having(lab, "ERROR")
        if broken and status != "ERROR":
            raise lab.Late(f"in ERROR: {[lab.server(id) for id in broken]}")
        return wanted <= having(lab, status)

    lab.until(
        settled,
        seconds,
        lambda: f"all being {status}: {[lab.server(id) for id in wanted]}",
        every=0.8,
    )


def having(lab: ModuleType, status: str) -> set[str]:
    """The servers of that status, of all projects."""
    answer = lab.cloud().compute.get(
        f"/servers?all_tenants=1&status={status}",
        microversion=lab.MICROVERSION,
    )
    return {row["id"] for row in answer.json()["servers"]}
