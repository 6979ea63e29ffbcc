"""Does anybody read what is published? The broker's queues, looked at only.

By a passive declaration over AMQP, which every user of the broker may do: it
tells messages and readers, and makes nothing. RabbitMQ's management API may
not be there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ha_actions.errors import BadInput, Transient

NOTIFICATIONS = (
    "notifications.info",
    "notifications.error",
    "versioned_notifications.info",
    "versioned_notifications.error",
)
"""Source: nova.conf `[notifications]` and oslo.messaging: topic.priority."""
CONNECT_S = 5
NOT_FOUND = "404"
"""Source: AMQP 0-9-1, reply codes; kombu gives it as text or number."""


def look(url: str, names: Collection[str]) -> Mapping[str, tuple[int, int]]:
    """Queue -> ``(messages, readers)``, of those that are there.

    :param url: oslo.messaging's transport url; its first host that answers.
    :raises Transient: none answers.
    :raises BadInput: kombu is not installed, or the url cannot be read.
    """
    try:
        import amqp
        import kombu
        import oslo_messaging
        from oslo_config import cfg
    except ImportError as error:
        raise BadInput("bus", "bus: kombu is not installed.") from error
    conf = cfg.ConfigOpts()
    conf([])
    try:
        parsed = oslo_messaging.TransportURL.parse(conf, url)
    except (oslo_messaging.MessagingException, ValueError) as error:
        kind = type(error).__name__  # its text may hold a password
        raise BadInput(
            "bus", f"bus: the url cannot be read ({kind})."
        ) from None
    last = "it names no host"
    for host in parsed.hosts or [None]:
        try:
            with _connection(kombu, parsed, host) as connection:
                found = {}
                for name in names:
                    seen = _queue(connection, name)
                    if seen is not None:
                        found[name] = seen
                return found
        except (
            kombu.exceptions.KombuError,
            amqp.AMQPError,
            OSError,
        ) as error:
            last = type(error).__name__
    raise Transient("bus", f"The message broker did not answer ({last}).")


def _connection(kombu: Any, url: Any, host: Any) -> Any:
    kind = url.transport.removeprefix("kombu+")
    return kombu.Connection(
        transport="pyamqp" if kind == "rabbit" else kind,
        hostname=host.hostname if host else None,
        port=host.port if host else None,
        userid=host.username if host else None,
        password=host.password if host else None,
        virtual_host=url.virtual_host or "/",
        ssl=str(url.query.get("ssl", "")).lower() in ("1", "true", "yes"),
        connect_timeout=CONNECT_S,
    )


def _queue(connection: Any, name: str) -> tuple[int, int] | None:
    """One queue; a channel of its own, for the broker closes that of a
    question about a queue that is not there."""
    channel = connection.channel()
    try:
        found = channel.queue_declare(queue=name, passive=True)
    except connection.channel_errors as error:
        if str(getattr(error, "reply_code", "")) == NOT_FOUND:
            return None
        raise
    else:
        channel.close()
    return int(found.message_count), int(found.consumer_count)
