"""Values of Heat: a stack, its resources, and what an update would do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StackResource:
    """One resource of a stack, or of a stack inside it."""

    stack: str
    """Id of the stack that has it: the root, or a nested one."""
    name: str
    parent: str = ""
    """The resource of the outer stack that is this nested stack."""
    type: str = ""
    physical: str = ""
    """Of a server: its id in Nova."""
    status: str = ""
    """Such as ``CREATE_COMPLETE``, ``CHECK_FAILED``."""
    reason: str = ""
    required_by: tuple[str, ...] = ()
    """Names of resources of the same stack that use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """A root stack with all its resources, nested ones too."""

    id: str
    name: str
    status: str
    reason: str = ""
    resources: tuple[StackResource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPreview:
    """What Heat says that an update would do.

    Of a resource that it would make anew, Heat may not tell the stack: then
    ``stack`` is empty, and ``parent`` and ``name`` are all there is.
    """

    replaced: tuple[StackResource, ...] = ()
    deleted: tuple[StackResource, ...] = ()
