"""Runs steps side by side, each as soon as the ones that it names are done.

Guarantee: when a step fails, or Ctrl-C comes, no new step is begun, and run()
returns only when the begun ones are over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass

from rig.errors import Hopeless
from rig.progress import say
from rig.waiting import cancelled


@dataclass(frozen=True)
class Step:
    """Something to do once in a run. Names in `after` that are no step of the
    run count as done.
    """

    name: str
    run: Callable[[], None]
    after: Sequence[str] = ()


def run(steps: Sequence[Step]) -> None:
    """Run all steps; raises the first failure."""
    cancelled.clear()
    names = {step.name for step in steps}
    waiting, done = list(steps), set[str]()
    begun: dict[futures.Future[None], Step] = {}
    with futures.ThreadPoolExecutor(max_workers=len(steps) or 1) as pool:
        try:
            while waiting or begun:
                ready = [
                    step
                    for step in waiting
                    if not (set(step.after) & names) - done
                ]
                if not ready and not begun:
                    raise Hopeless(
                        "These steps wait for each other: "
                        + ", ".join(step.name for step in waiting)
                    )
                begun |= {pool.submit(_timed, step): step for step in ready}
                waiting = [step for step in waiting if step not in ready]
                finished, _ = futures.wait(
                    begun, return_when=futures.FIRST_COMPLETED
                )
                for future in finished:
                    done.add(begun.pop(future).name)
                    future.result()
        except BaseException:
            cancelled.set()
            raise


def _timed(step: Step) -> None:
    began = time.monotonic()
    step.run()
    say(f"{step.name} ({time.monotonic() - began:.1f} s)")
