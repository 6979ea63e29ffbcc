"""What Mistral shows of an execution, as far as it has not ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TaskWork:
    """A task that has not ended, with all that was started for it."""

    id: str
    name: str
    state: str
    """Mistral's word: ``IDLE``, ``RUNNING``, ``DELAYED``, ``PAUSED`` ..."""
    moved: str = ""
    """When it last changed, in Mistral's own time: compared, never read."""
    actions: tuple[str, ...] = ()
    """States of its action executions, ended ones too."""
    flows: tuple[FlowWork, ...] = ()
    """Its sub-workflows, ended ones too (those without tasks)."""


@dataclass(frozen=True, kw_only=True)
class FlowWork:
    """An execution of a workflow, and its tasks that have not ended."""

    id: str
    workflow: str
    """With its workbook's name: ``ha.v1.handle_host_failure``."""
    state: str
    moved: str = ""
    project: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[TaskWork, ...] = ()
    ended: int = 0
    """How many of its tasks have ended."""
