"""The event bus: what happened, told to Aodh over the message broker.

Two ways, as configured: straight to the topic that Aodh's listener reads, or
as notifications that Ceilometer's agent turns into events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ha_actions.errors import BadInput, Transient
from ha_actions.model import Event

PUBLISHER = "ha.pack"
"""Says nothing of hosts: Ceilometer shows its second word to tenants."""
TOPICS = {"aodh": "alarm.all", "ceilometer": "notifications"}
"""Source: aodh `[listener] event_alarm_topic`, ceilometer `[notification]`."""
PRIORITIES = {"aodh": "sample", "ceilometer": "info"}
"""Source: aodh's listener reads `sample`, ceilometer's `info` and `error`."""
QUEUES: Mapping[str, Mapping[str, bool]] = {
    "plain": {},
    "durable": {"amqp_durable_queues": True},
    "quorum": {"amqp_durable_queues": True, "rabbit_quorum_queue": True},
}
TRIES_AGAIN = 1
"""Connections after the first; each waits 5 s at most. What was not
published is published again by whoever watches."""
TEXT = 1
"""Aodh's number for a trait of text."""


class MessageBus:
    """:class:`~ha_actions.ports.Bus` by oslo.messaging.

    :param url: oslo.messaging's transport url, with its password; never
        logged and in no error.
    :param via: ``aodh`` or ``ceilometer``.
    :param topic: empty: the way's own.
    :param queues: ``plain``, ``durable`` or ``quorum``: how the reader has
        declared its queue; RabbitMQ refuses to use it otherwise.
    :raises BadInput: a word is unknown, the url cannot be read, or
        oslo.messaging is not installed.
    """

    def __init__(
        self, url: str, via: str = "aodh", topic: str = "", queues: str = ""
    ) -> None:
        self._queues = QUEUES.get(queues or "plain")
        if via not in TOPICS or self._queues is None:
            raise _bad(
                f"bus: via is one of {', '.join(TOPICS)}, and queues one of "
                f"{', '.join(QUEUES)}."
            )
        self._via = via
        self._topic = topic_of(via, topic)
        self._transport = _transport(url, self._queues)

    def publish(self, events: Sequence[Event]) -> None:
        """Send them; each at least once.

        :raises Transient: the broker did not take them all; publishing the
            same events again does no harm.
        """
        if not events:
            return
        if self._via == "aodh":
            first = events[0]
            payload = [aodh_event(event) for event in events]
            self._send("event", first.id, first.at, payload)
            return
        for event in events:
            self._send(event.type, event.id, event.at, _notification(event))

    def _send(self, type: str, id: str, at: float, payload: Any) -> None:
        import amqp
        import kombu.exceptions
        import oslo_messaging

        message = {
            "message_id": id,
            "publisher_id": PUBLISHER,
            "event_type": type,
            "priority": PRIORITIES[self._via].upper(),
            "payload": payload,
            "timestamp": _text(at, " "),
        }
        try:
            # What Notifier does, but it swallows the error of a broker that
            # is away, and a lost event must be published again.
            self._transport._send_notification(
                oslo_messaging.Target(topic=self._topic),
                {},
                message,
                version=2.0,
                retry=TRIES_AGAIN,
            )
        except (
            oslo_messaging.MessagingException,
            kombu.exceptions.KombuError,
            amqp.AMQPError,
            OSError,
        ) as error:
            raise Transient(
                "bus",
                f"The message broker did not take an event of {type} "
                f"({type_name(error)}); see that it runs and that this "
                "machine may reach it.",
            ) from None  # its text may hold the url


def topic_of(via: str, topic: str) -> str:
    """The queue that events go to.

    :raises BadInput: ``via`` is unknown.
    """
    if via not in TOPICS:
        raise _bad(f"bus: via is one of {', '.join(TOPICS)}.")
    return f"{topic or TOPICS[via]}.{PRIORITIES[via]}"


def aodh_event(event: Event) -> dict[str, Any]:
    """An event as Aodh's listener takes it.

    Source: measured on Aodh 23: traits are ``[name, type, value]``; the
    project is the trait ``project_id``; without one only alarms without a
    project see it.
    """
    traits = [[name, TEXT, value] for name, value in event.traits.items()]
    if event.project:
        traits.append(["project_id", TEXT, event.project])
    return {
        "message_id": event.id,
        "event_type": event.type,
        "generated": _text(event.at, "T"),
        "traits": traits,
        "raw": {},
        "message_signature": "",
    }


def _notification(event: Event) -> dict[str, str]:
    """The payload that Ceilometer's event definitions read."""
    owner = {"tenant_id": event.project} if event.project else {}
    return {**event.traits, **owner}


def _text(at: float, between: str) -> str:
    moment = datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None)
    return moment.isoformat(between, timespec="microseconds")


def _transport(url: str, queues: Mapping[str, bool]) -> Any:
    try:
        import oslo_messaging
        from oslo_config import cfg
    except ImportError as error:
        raise _bad(
            "bus: oslo.messaging is not installed; install it, or leave "
            "`bus` out."
        ) from error
    conf = cfg.ConfigOpts()  # of its own: the service's is not touched
    conf([])
    try:
        made = oslo_messaging.get_notification_transport(conf, url=url)
    except (oslo_messaging.MessagingException, ValueError) as error:
        raise _bad(
            f"bus: the url cannot be used ({type_name(error)}); it reads "
            "like rabbit://USER:PASSWORD@HOST:5672/."
        ) from None
    if "oslo_messaging_rabbit" in conf:
        for name, value in queues.items():
            conf.set_override(name, value, group="oslo_messaging_rabbit")
    return made


def type_name(error: Exception) -> str:
    """The kind of an error whose text may hold a password."""
    return type(error).__name__


def _bad(message: str) -> BadInput:
    return BadInput("executor_file", message)
