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
