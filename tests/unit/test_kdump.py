"""Crash dumps: real packets, the witness, and a wait that is bounded."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.network import PlainNetwork
from ha_actions.adapters.network_kdump import (
    FRESH_S,
    MAGIC,
    PORT,
    KdumpListener,
)
from ha_actions.deciders.policy import load
from ha_actions.errors import BadInput, Transient
from ha_actions.model import Host, Says
from ha_actions.witnesses.kdump import Kdump
from unit.fakes import Clock

HERE = "127.0.0.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def listener(port: int) -> Iterator[KdumpListener]:
    made = KdumpListener(f"{HERE}:{port}", SystemClock())
    yield made
    made.close()


def send(port: int, message: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(message, (HERE, port))


def soon(port: int, message: bytes) -> threading.Timer:
    timer = threading.Timer(0.2, send, (port, message))
    timer.start()
    return timer


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_dump_is_heard(
    listener: KdumpListener, port: int, order: str
) -> None:
    clock = SystemClock()
    timer = soon(port, struct.pack(f"{order}II", MAGIC, 1))
    at = listener.dumped_at(HERE, 10)
    timer.join()
    assert abs(at - clock.now()) < 5
    assert listener.dumped_at("localhost", 0) == at, "it is remembered"
    assert listener.dumped_at("127.0.0.2", 0) == 0.0, "of another host"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        struct.pack("<II", MAGIC, 2),
        struct.pack("<II", MAGIC + 1, 1),
        struct.pack("<III", MAGIC, 1, 0),
    ],
)
def test_anything_else_is_no_dump(
    listener: KdumpListener, port: int, message: bytes
) -> None:
    assert listener.dumped_at(HERE, 0) == 0.0
    send(port, message)
    assert listener.dumped_at(HERE, 0.3) == 0.0


def test_a_dump_that_is_not_heard_any_more_has_ended(port: int) -> None:
    clock = Clock()
    made = KdumpListener(f"{HERE}:{port}", clock)
    try:
        timer = soon(port, struct.pack("<II", MAGIC, 1))
        assert made.dumped_at(HERE, 10) == clock.at
        timer.join()
        clock.sleep(FRESH_S + 1)
        assert made.dumped_at(HERE, 0) == 0.0
    finally:
        made.close()


def test_an_address_that_another_process_has(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HERE, port))
        made = KdumpListener(f"{HERE}:{port}", SystemClock())
        with pytest.raises(Transient, match="cannot be heard"):
            made.dumped_at(HERE, 0)


@pytest.mark.parametrize(
    ("address", "bind"),
    [
        ("192.0.2.5", ("192.0.2.5", PORT)),
        ("192.0.2.5:99", ("192.0.2.5", 99)),
        ("fd00::5", ("fd00::5", PORT)),
        ("[fd00::5]:99", ("fd00::5", 99)),
    ],
)
def test_where_it_listens(address: str, bind: tuple[str, int]) -> None:
    assert KdumpListener(address, SystemClock())._bind == bind


@pytest.mark.parametrize("address", ["", "here", "192.0.2.5:x", "a:b:c"])
def test_a_bad_address(address: str) -> None:
    with pytest.raises(BadInput, match="no address to listen on"):
        KdumpListener(address, SystemClock())


# -- the witness --------------------------------------------------------------
POLICY = load(
    "version: 1\nwitnesses:\n  ask: [kdump, tcp_reach]\n  need_dead: 1\n"
    "  veto: [tcp_reach]\n  networks:\n"
    f"    mgmt: {{port: 22, control: 192.0.2.1, hosts: {{c1: {HERE}}}}}\n"
)


def said_of(network: PlainNetwork, host: str) -> tuple[Says, str]:
    witness = Kdump(POLICY, None, network, lambda _: [], SystemClock())  # type: ignore[arg-type]
    told = witness.testify(Host(name=host, service_id="1", up=False))
    return told.says, told.detail


def test_the_witness(listener: KdumpListener, port: int) -> None:
    timer = soon(port, struct.pack("<II", MAGIC, 1))
    says, why = said_of(PlainNetwork(listener), "c1")
    timer.join()
    assert says is Says.DEAD
    assert "dumps its crash" in why
    says, why = said_of(PlainNetwork(listener), "c2")
    assert (says, why) == (Says.SILENT, "no network lists this host")


def test_an_executor_that_does_not_listen() -> None:
    says, why = said_of(PlainNetwork(), "c1")
    assert says is Says.SILENT
    assert "set `kdump`" in why
