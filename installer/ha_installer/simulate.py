"""`ha-pack simulate`: one scenario, in memory or on the embedded engine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ha_actions.errors import BadInput, Refused
from ha_actions.sim.interpreter import ActionContext, ActionResult, Unrunnable
from ha_actions.sim.play import Injection, play
from ha_actions.sim.played import Played
from ha_actions.sim.scenario import Scenario, load

from ha_installer import files, tables

Live = Callable[[dict[str, Any]], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument("file", metavar="FILE.yaml", help="the scenario")
    parser.add_argument(
        "--engine",
        action="store_true",
        help="on the real Mistral engine, in this process",
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        help="the policy that the scenario's differences apply to "
        "(default: the example)",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="write the trace as FILE.log: the expected one from now on",
    )


def run(options: argparse.Namespace) -> int:
    """Play it and tell; 0 if all checks hold, else 1.

    :raises BadInput: the file or its policy is wrong.
    """
    if options.accept and os.environ.get("CI"):
        raise Refused(
            "no_accept",
            "`--accept` is for a person who has read the trace; it does not "
            "run in CI.",
        )
    scenario = read(options.file, options.policy)
    colours = tables.coloured(sys.stdout)
    live = None if options.json else _teller(colours)
    if options.engine:
        from ha_installer.play_engine import play_alone

        played = play_alone(scenario, live)
    else:
        played = in_memory(scenario, live)
    if options.accept:
        log = str(Path(options.file).with_suffix(".log"))
        files.write(log, tables.trace_text(played.trace), "trace")
    if options.json:
        print(json.dumps(played.as_json(), indent=2))
    else:
        _tell_ending(played, colours)
    return 0 if played.ok else 1


def read(path: str, policy: str | None = None) -> Scenario:
    """A scenario file, checked.

    :raises BadInput: where and what is wrong in it.
    """
    return load(
        files.read(path, "scenario"),
        files.policy_text(policy),
        Path(path).stem,
    )


def in_memory(
    scenario: Scenario,
    live: Live | None = None,
    injection: Injection | None = None,
) -> Played:
    """Play it by the interpreter, with the real actions."""
    if scenario.engine_only:
        raise BadInput(
            "engine_only",
            f"{scenario.name} needs the real engine "
            f"({scenario.engine_only}); add --engine.",
        )
    return play(scenario, files.workbook_text(), run_action, injection, live)


def run_action(
    name: str, inputs: dict[str, Any], context: ActionContext
) -> ActionResult:
    """What an executor does with an action call."""
    from ha_actions.action import perform_by_name

    try:
        data, error = perform_by_name(
            name,
            inputs,
            project=context.project,
            execution=context.execution_id,
            action_execution=context.action_execution_id,
        )
    except Refused as refused:
        raise Unrunnable(refused.message) from refused
    except TypeError as wrong:  # inputs that its signature does not take
        raise Unrunnable(f"{name}: {wrong}") from wrong
    return ActionResult(data, error)


def _teller(colours: bool) -> Live:
    def tell(entry: dict[str, Any]) -> None:
        print(tables.trace_line(entry, colours))

    return tell


def _tell_ending(played: Played, colours: bool) -> None:
    print()
    for incident in played.incidents:
        print(f"{incident['host']} {incident['state']}: {incident['reason']}")
    print()
    for check in played.checks:
        print(tables.check_line(check, colours))
