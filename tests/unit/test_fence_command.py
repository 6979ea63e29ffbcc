"""A program that is run: bounded, and nothing leaks."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ha_actions.errors import BadInput, NoAnswer, Transient
from ha_actions.fencing.command import Ran, run


def test_input_output_status() -> None:
    ran = run(["sh", "-c", "cat; echo no >&2; exit 3"], timeout_s=5, stdin="x")
    assert (ran.status, ran.out, ran.err) == (3, "x", "no\n")


def test_the_environment_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "hush")
    ran = run(["env"], timeout_s=5, env={"KEY": "1"})
    assert "hush" not in ran.out
    assert "KEY=1" in ran.out.splitlines()


@pytest.mark.parametrize(
    ("changing", "kind"), [(False, Transient), (True, NoAnswer)]
)
def test_it_and_its_children_are_killed(
    tmp_path: Path, changing: bool, kind: type[Transient]
) -> None:
    began = time.monotonic()
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(kind, match="did not end within") as met:
        run(["sh", "-c", script], timeout_s=0.5, changing=changing)
    assert type(met.value) is kind
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    for _ in range(50):
        if not state.exists() or " Z " in state.read_text():
            return
        time.sleep(0.1)
    os.kill(child, 9)
    raise AssertionError("the child lived on")


def test_not_installed() -> None:
    with pytest.raises(BadInput, match="nothing_like_it is not installed"):
        run(["nothing_like_it"], timeout_s=1)


@pytest.mark.parametrize(
    ("out", "err", "words"),
    [
        ("", "", "no word"),
        ("a\nb\n", "", "b"),
        ("a", "first\nlogin failed for hush.\n", "login failed for ***"),
        ("x" * 500, "", "x" * 160),
    ],
)
def test_last_words(out: str, err: str, words: str) -> None:
    assert Ran(1, out, err).last_words(["hush", ""]) == words
