"""A program that the lab loads once and forks: cheap, without a lab."""

from __future__ import annotations

import json
from pathlib import Path

from test_lab_errors import lab, run

PROGRAM = """
import forks, signal, sys

def main():
    print(*sys.argv, flush=True)
    signal.pause()

forks.serve(sys.argv[1], main)
"""
PLAY = """
import json, os, sys
from rig import process
from rig.errors import LabError
from rig.waiting import eventually

def begin():
    process.start("one", ["one", "--name=1"], fork_of="loaded")

said = {}
try:
    begin()
except LabError as error:
    said["nobody"] = str(error)
door = str(process.door("loaded"))
process.start("loaded", [sys.executable, sys.argv[1], door])
eventually("the door", lambda: process.answering("loaded").close() or True, 20)
begin()
(one,) = process.members("one")
log = process.settings.LOG / "one.out"
eventually("its words", log.read_text, 20)
said["log"] = log.read_text()
said["leads"] = os.getsid(one.pid) == one.pid == one.pgrp
said["strays"] = process.strays()
process.stop("one", grace=0)
said["killed"] = [process.running(name) for name in ("one", "loaded")]
begin()
(again,) = process.members("one")
process._file("one").unlink()
said["lost"] = process.strays() == [again.pid]
print(json.dumps(said))
"""


def test_a_fork_is_a_service_like_any_other(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = run(tmp_path, "-c", PLAY, str(program))
    try:
        said = json.loads(done.stdout)
    finally:
        assert lab(tmp_path, "down").returncode == 0
    assert "`lab service loaded kill`, and then `start`" in said.pop("nobody")
    assert said == {
        "log": "one --name=1\n",
        "leads": True,
        "strays": [],
        "killed": [False, True],
        "lost": True,
    }, done.stderr
