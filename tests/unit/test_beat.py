"""ha-beat and the witness that reads it, on tooz's own file driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ha_actions.errors import Transient
from ha_actions.model import Host, Says
from ha_actions.settings import Policy, Witnesses
from ha_actions.witnesses.tooz_beat import ToozBeat, coordinator, weigh
from ha_alarms import beat
from ha_alarms.beat import Beat
from ha_alarms.beat_group import GroupBeats
from ha_alarms.beat_nova_conf import resumes_guests
from tooz import coordination
from unit.fakes import Clock

HOST = Host(name="c1", service_id="s", up=True)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/group"


@pytest.fixture
def join(url: str) -> Iterator[Any]:
    """Host -> its beat, which has begun."""
    made = []

    def of(host: str, *paths: str) -> Beat:
        group = coordinator(url, host, 15)
        group.start()
        made.append(group)
        return Beat(group, host, paths)

    yield of
    for group in made:
        group.stop()


def says(url: str, host: Host = HOST) -> tuple[Says, str]:
    policy = Policy(witnesses=Witnesses(beat_url=url))
    none: Any = None
    witness = ToozBeat(policy, none, none, none, Clock())
    said = witness.testify(host)
    return said.says, said.detail


@pytest.mark.parametrize(
    ("keepers", "beating", "said"),
    [
        ((), (), Says.SILENT),
        (("c1", "c2"), ("c1", "c2"), Says.ALIVE),
        (("c1", "c2"), ("c2",), Says.DEAD),
        (("c2",), ("c2",), Says.SILENT),  # it never kept one
        (("c1", "c2"), (), Says.SILENT),  # all silent: the group's fault
        ((), ("c1",), Says.ALIVE),
    ],
)
def test_what_the_group_says(
    keepers: tuple[str, ...], beating: tuple[str, ...], said: Says
) -> None:
    assert weigh("c1", keepers, beating)[0] is said


def test_a_beat_begins_ends_and_is_left(url: str, join: Any) -> None:
    one, two = join("c1"), join("c2")
    assert says(url)[0] is Says.SILENT
    for _ in range(2):  # a repeat is a renewal
        one.once()
        two.once()
    assert says(url)[0] is Says.ALIVE
    assert GroupBeats(url).ended() == []
    # the lease ends: what the engine does by itself
    one._group.leave_group(b"ha-beat").get()
    assert says(url) == (Says.DEAD, "its beat has ended; 1 others beat")
    assert GroupBeats(url).ended() == ["c1"]
    one.once()
    assert says(url)[0] is Says.ALIVE
    one.leave()
    assert says(url) == (Says.SILENT, "it keeps no beat")
    assert GroupBeats(url).ended() == []


def test_no_beat_without_the_storage(
    url: str, join: Any, tmp_path: Path
) -> None:
    gone = tmp_path / "instances"
    one = join("c1", str(gone))
    with pytest.raises(Transient) as caught:
        one.once()
    assert str(gone) in caught.value.message
    assert says(url)[0] is Says.SILENT
    gone.mkdir()
    one.once()
    assert says(url)[0] is Says.ALIVE
    assert os.listdir(gone) == [".ha-beat.c1"]


def test_a_group_that_does_not_answer_is_silent_and_hides_its_url() -> None:
    url = "memcached://me:hush@127.0.0.1:9?timeout=1"
    said, why = says(url)
    assert said is Says.SILENT
    assert "hush" not in why
    with pytest.raises(Transient) as caught:
        GroupBeats(url).ended()
    assert "hush" not in caught.value.message


def test_an_executor_without_tooz_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tooz", None)
    said, why = says("memcached://127.0.0.1:9")
    assert said is Says.SILENT
    assert "install" in why


def test_an_unset_url_is_silent() -> None:
    assert says("") == (
        Says.SILENT,
        "policy: witnesses: beat_url is not set",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({}, "url is missing"),
        ({"url": "file:///x", "lease": 3}, "did you mean 'lease_s'?"),
        ({"url": "file:///x", "lease_s": 1}, "lease_s"),
        ({"url": "env:NO_SUCH"}, "NO_SUCH"),
        ({"url": "nonsense://me:hush@h"}, "cannot be used"),
    ],
)
def test_a_bad_file_is_one_sentence_and_status_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: dict[str, Any],
    said: str,
) -> None:
    path = tmp_path / "beat.yaml"
    path.write_text(yaml.safe_dump(text))
    assert beat.main(["--file", str(path)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "hush" not in err


def test_leave_takes_the_host_out(url: str, join: Any, tmp_path: Path) -> None:
    join("c1").once()
    path = tmp_path / "beat.yaml"
    path.write_text(yaml.safe_dump({"url": url, "host": "c1"}))
    assert beat.main(["--file", str(path), "--leave"]) == 0
    assert says(url)[0] is Says.SILENT


# -- what a host tells of itself ----------------------------------------------
def told(url: str) -> dict[str, bool]:
    policy = Policy(witnesses=Witnesses(beat_url=url))
    none: Any = None
    return ToozBeat(policy, none, none, none, Clock()).resumes_guests()


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["[DEFAULT]\nresume_guests_state_on_host_boot = true\n"], True),
        (["[DEFAULT]\nresume_guests_state_on_host_boot=On\n"], True),
        (["[DEFAULT]\nresume_guests_state_on_host_boot = false\n"], False),
        (["[DEFAULT]\n# resume_guests_state_on_host_boot = true\n"], False),
        (["[compute]\nresume_guests_state_on_host_boot = true\n"], False),
        (["[DEFAULT]\ntransport_url = rabbit://u:%p%@h\n"], False),
        (
            [
                "[DEFAULT]\nresume_guests_state_on_host_boot = true\n",
                "[DEFAULT]\nresume_guests_state_on_host_boot = false\n",
            ],
            False,
        ),
        (
            [
                "[DEFAULT]\nresume_guests_state_on_host_boot = true\n",
                "[libvirt]\nvirt_type = kvm\n",
            ],
            True,
        ),
        (["no section\n"], None),
        ([], None),
    ],
)
def test_what_nova_conf_says(
    tmp_path: Path, texts: list[str], says: bool | None
) -> None:
    paths = [tmp_path / f"{n}.conf" for n, _ in enumerate(texts)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    assert resumes_guests(map(str, paths)) is says
    assert resumes_guests([str(tmp_path)]) is says  # the folder of them


def test_a_beat_tells_it_and_tells_it_anew(url: str, tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text("[DEFAULT]\nresume_guests_state_on_host_boot = true\n")
    groups = [coordinator(url, host, 15) for host in ("c1", "c2")]
    for group in groups:
        group.start()
    one = Beat(groups[0], "c1", [], [str(conf)])
    other = Beat(groups[1], "c2", [], [str(tmp_path / "none")])
    try:
        one.once()
        other.once()
        assert told(url) == {"c1": True}  # nobody knows of c2
        conf.write_text("[DEFAULT]\n")
        one.once()  # this engine cannot be told anew: the beat goes on
        assert says(url)[0] is Says.ALIVE
    finally:
        for group in groups:
            group.stop()


class Redis:
    """An engine that can be told anew, as tooz's drivers for etcd, Redis and
    memcached can."""

    def __init__(self) -> None:
        self.known: bytes | None = None

    def heartbeat(self) -> None:
        pass

    def create_group(self, group: bytes) -> Any:
        return Later(None)

    def join_group(self, group: bytes, says: bytes) -> Any:
        if self.known is not None:
            return Later(coordination.MemberAlreadyExist("g", "m"))
        self.known = says
        return Later(None)

    def update_capabilities(self, group: bytes, says: bytes) -> Any:
        self.known = says
        return Later(None)


class Later:
    """tooz's answer that is waited for."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def get(self, timeout: float) -> None:
        if self.error is not None:
            raise self.error


def test_a_change_is_told_while_it_beats(tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text("[DEFAULT]\nresume_guests_state_on_host_boot = true\n")
    engine = Redis()
    beat_ = Beat(engine, "c1", [], [str(conf)])
    beat_.once()
    assert engine.known == b'{"resume_guests_state_on_host_boot": true}'
    conf.write_text("[DEFAULT]\n")
    beat_.once()
    assert engine.known == b'{"resume_guests_state_on_host_boot": false}'


def test_who_beats_and_tells_nothing_is_not_known(url: str, join: Any) -> None:
    group = coordinator(url, "old", 15)
    group.start()
    try:
        group.create_group(b"ha-beat").get()
        group.join_group(b"ha-beat", b"not json").get()
        assert told(url) == {}
    finally:
        group.stop()
    assert told("") == {}
