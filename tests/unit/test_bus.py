"""The bus adapter, over oslo.messaging's own in-memory broker."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import oslo_messaging
import pytest
from ha_actions.adapters.bus import MessageBus
from ha_actions.errors import BadInput, Transient
from ha_actions.model import Event
from ha_actions.sim.alarms import body
from oslo_config import cfg

DOWN = Event(
    type="compute.service.down",
    traits={"host": "c1", "incident": "i-1"},
    at=1_800_000_000.25,
    id="e-1",
)
GUEST = Event(
    type="compute.instance.host_down",
    project="p-1",
    traits={"instance_id": "vm-1"},
    at=1_800_000_000.25,
    id="e-2",
)


class Reader:
    """An endpoint, as Aodh's and Ceilometer's listeners have them."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.enough = threading.Event()
        self.wanted = 1

    def sample(
        self, ctxt: Any, publisher: str, type: str, payload: Any, meta: Any
    ) -> None:
        assert publisher == "ha.pack"
        self.got.append((type, payload))
        if len(self.got) >= self.wanted:
            self.enough.set()

    info = sample


def heard(topic: str, wanted: int, tell: Callable[[], None]) -> Any:
    """What a listener on a topic has got once ``tell`` was called."""
    conf = cfg.ConfigOpts()
    conf([])
    transport = oslo_messaging.get_notification_transport(conf, url="fake://")
    reader = Reader()
    reader.wanted = wanted
    listener = oslo_messaging.get_notification_listener(
        transport, [oslo_messaging.Target(topic=topic)], [reader], "threading"
    )
    listener.start()
    try:
        tell()
        assert reader.enough.wait(10)
    finally:
        listener.stop()
        listener.wait()
    return reader.got


def test_aodh_gets_one_message_with_all_events() -> None:
    topic = f"t-{uuid.uuid4()}"
    bus = MessageBus("fake://", topic=topic)
    [(kind, events)] = heard(topic, 1, lambda: bus.publish([DOWN, GUEST]))
    assert kind == "event"
    assert events[0]["generated"] == "2027-01-15T08:00:00.250000"
    assert ["project_id", 1, "p-1"] in events[1]["traits"]
    assert not any(t[0] == "project_id" for t in events[0]["traits"])
    recorded = body("c1", DOWN.at)["reason_data"]["event"]
    assert set(events[0]) == set(recorded)


def test_ceilometer_gets_one_notification_each() -> None:
    topic = f"t-{uuid.uuid4()}"
    bus = MessageBus("fake://", "ceilometer", topic)
    got = heard(topic, 2, lambda: bus.publish([DOWN, GUEST]))
    assert sorted(got, key=lambda one: one[0], reverse=True) == [
        ("compute.service.down", {"host": "c1", "incident": "i-1"}),
        (
            "compute.instance.host_down",
            {"instance_id": "vm-1", "tenant_id": "p-1"},
        ),
    ]


def test_a_broker_that_is_away_is_an_error_without_the_password() -> None:
    bus = MessageBus("rabbit://me:hush@127.0.0.1:9/")
    bus.publish([])
    with pytest.raises(Transient) as caught:
        bus.publish([DOWN])
    assert "broker" in caught.value.message
    assert "hush" not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "words", "said"),
    [
        ("fake://", {"via": "aod"}, "via is one of aodh, ceilometer"),
        ("fake://", {"queues": "x"}, "queues one of plain, durable, quorum"),
        ("nonsense://me:hush@h/", {}, "the url cannot be used"),
    ],
)
def test_wrong_words_are_told(
    url: str, words: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        MessageBus(url, **words)
    assert said in caught.value.message
    assert "hush" not in caught.value.message
