"""Everything that can go wrong, in one tree.

::

    HaError               kind, retryable, message, facts
    |- BadInput           somebody's mistake: a policy typo, an unknown host
    |- Refused            a safety rule said no; the incident is held, loudly
    |- Transient          a retry may help: an API or BMC that did not answer
    |  `- NoAnswer        sent, and never answered: it may have been done
    `- Failed             tried, answered, and did not work

``message`` is one sentence: what is wrong, where, and what to do.
``facts`` are JSON values; no secret ever goes into either.
"""

from __future__ import annotations

from typing import Any, ClassVar


class HaError(Exception):
    """Root of the tree; ``code`` is stable, for people's scripts."""

    kind: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts

    def as_dict(self) -> dict[str, Any]:
        """The form that travels in a Mistral result."""
        return {
            "kind": self.kind,
            "code": self.code,
            "retryable": self.retryable,
            "message": self.message,
            "facts": self.facts,
        }


class BadInput(HaError):
    """An input is wrong; asking again with the same input is useless."""

    kind = "bad_input"


class Refused(HaError):
    """A safety rule said no. Nothing was changed by the refused call."""

    kind = "refused"


class Transient(HaError):
    """Not done, and a later try may succeed."""

    kind = "transient"
    retryable = True


class NoAnswer(Transient):
    """A change was sent and no answer came: it may have been done."""

    kind = "no_answer"


class Failed(HaError):
    """Tried and answered: it did not work, and will not by itself."""

    kind = "failed"
