"""What happens, in the executor's log."""

from __future__ import annotations

from typing import Any

from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class LogJournal:
    """:class:`~ha_actions.ports.Journal` over oslo.log.

    One line per event, ``ha KIND SUBJECT: TEXT key=value ...``; the facts
    travel as ``ha_facts`` too, for JSON formatters. What a person must see
    (:meth:`tell`) is logged as ERROR.

    :param request_id: put on every line, so that an incident's lines can be
        found beside those of Nova and the others.
    """

    def __init__(self, request_id: str = "") -> None:
        self._extra = {"request_id": request_id} if request_id else {}

    def note(self, kind: str, subject: str, text: str, **facts: Any) -> None:
        """One thing that happened, as INFO."""
        LOG.info(
            "ha %s %s: %s%s",
            kind,
            subject,
            text,
            _tail(facts),
            extra=self._with(kind, subject, facts),
        )

    def tell(self, subject: str, text: str, **facts: Any) -> None:
        """One thing that a person must see, as ERROR."""
        LOG.error(
            "ha tell %s: %s%s",
            subject,
            text,
            _tail(facts),
            extra=self._with("tell", subject, facts),
        )

    def _with(
        self, kind: str, subject: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            **self._extra,
            "ha_kind": kind,
            "ha_subject": subject,
            "ha_facts": facts,
        }


def _tail(facts: dict[str, Any]) -> str:
    return "".join(f" {key}={value}" for key, value in sorted(facts.items()))
