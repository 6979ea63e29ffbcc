"""Who has Mistral call an action, and by which token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Caller:
    """What the context of a call tells; empty where it does not.

    The token and the catalogue stay out of every text made of it.
    """

    project: str
    token: str = field(default="", repr=False)
    catalog: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keystone's answer about the token, its ``catalog`` in it."""
    expires_at: str = ""
    """ISO 8601, UTC."""
    keystone: str = ""
    region: str = ""
    elsewhere: bool = False
    """The caller has named another cloud, whose addresses are his word."""
    holder: str = ""
    """The action execution: who holds what this call claims."""
