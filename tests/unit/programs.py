"""Programs at the wire: a script on PATH that answers by its arguments."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """#!{python}
import fcntl, json, os, pathlib, sys
here = pathlib.Path({folder!r})
stdin = "" if {silent} else sys.stdin.read()
calls = here / "calls.jsonl"
one_at_a_time = (here / "lock").open("w")
fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
secret = {{k: v for k, v in os.environ.items() if "PASSW" in k}}
with calls.open("a") as log:
    log.write(json.dumps([sys.argv, stdin, secret]) + "\\n")
asked = " ".join(sys.argv[1:]) + " " + stdin.replace("\\n", " ")
for words, answers in json.loads((here / "answers.json").read_text()):
    if words in asked:
        seen = here / ("n" + words.replace("/", "_"))
        k = int(seen.read_text()) if seen.exists() else 0
        seen.write_text(str(k + 1))
        status, out, err = answers[min(k, len(answers) - 1)]
        sys.stdout.write(out)
        sys.stderr.write(err)
        sys.exit(status)
sys.exit(99)
"""

Answer = tuple[int, str, str]


class Program:
    """A program that answers ``(status, out, err)`` to what it is asked.

    The first of the given words that are in its arguments or its input
    decide; of several answers each is given once, and the last one stays.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        answers: Mapping[str, Sequence[Answer]],
        *,
        silent: bool = False,
    ) -> None:
        self.folder = folder
        self.answer(answers)
        path = folder / name
        path.write_text(
            SCRIPT.format(
                python=sys.executable, folder=str(folder), silent=silent
            )
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def answer(self, answers: Mapping[str, Sequence[Answer]]) -> None:
        """From now on it answers so."""
        for old in self.folder.glob("n*"):
            old.unlink()
        text = json.dumps([[k, list(v)] for k, v in answers.items()])
        (self.folder / "answers.json").write_text(text)

    @property
    def calls(self) -> list[tuple[list[str], str, dict[str, Any]]]:
        """Arguments, input and secrets in the environment of each run."""
        log = self.folder / "calls.jsonl"
        if not log.exists():
            return []
        return [
            (argv[1:], stdin, secret)
            for argv, stdin, secret in map(
                json.loads, log.read_text().splitlines()
            )
        ]
