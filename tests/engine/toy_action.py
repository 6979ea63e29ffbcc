"""``toy.do`` for the real engine.

The executor imports the class anew by its name: it cannot be a local one.
"""

from __future__ import annotations

import time
from typing import Any

from engine.toys import Toys
from mistral_lib import actions

TOYS = Toys(time.sleep)


class Do(actions.Action):  # type: ignore[misc]
    """See :meth:`engine.toys.Toys.do`.

    No dataclass: what is registered by hand may have no class attributes.
    """

    def __init__(
        self,
        name: str,
        answer: Any = None,
        error: Any = None,
        fail_times: int = 0,
        sleep: float = 0,
        sleep_times: int = 1,
    ) -> None:
        self.name = name
        self.answer = answer
        self.error = error
        self.fail_times = fail_times
        self.sleep = sleep
        self.sleep_times = sleep_times

    def run(self, context: Any) -> Any:
        """Do it."""
        book = context.execution.workflow_name.split(".")[0]
        project = context.security.project_id
        data, error = TOYS.do(book, project, **vars(self))
        return actions.Result(data=data, error=error)
