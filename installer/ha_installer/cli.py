"""`ha-pack`: the operator's command. Each verb's module is loaded when used.

Exit status: 0 it is as it should be, 1 it is not, 2 the input is wrong (one
sentence says where), 3 a safety rule refused.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import warnings
from collections.abc import Sequence

from ha_actions.errors import BadInput, HaError, Refused

VERBS = {
    "install": ("install_cli", "put the pack into a cloud; shows it first"),
    "upgrade": ("install_cli", "replace what is installed by this version"),
    "remove": ("install_cli", "take exactly what is ours out of a cloud"),
    "drill": ("drill_cli", "rehearse a host's death; simulated by default"),
    "rescue": ("rescue_cli", "start a host's recovery by hand"),
    "simulate": ("simulate", "play a scenario file"),
    "explain": ("explain_cli", "what would happen to a guest, and who says"),
    "whatif": ("whatif_cli", "who would come back if hosts died, and where"),
    "status": ("operator_cli", "armed, brakes in force, held incidents"),
    "incidents": ("operator_cli", "every incident that is remembered"),
    "incident": ("operator_cli", "show, resume, abort or approve one"),
    "confirm-dead": ("confirm_cli", "a person's word that a host is dead"),
    "return": ("return_cli", "let a host in that was put out"),
    "check": ("check_cli", "would a dead host start a recovery, to its end?"),
    "tenant": ("tenant_cli", "a tenant's own: protect, alarm, status"),
    "arm": ("operator_cli", "let `mode: act` act"),
    "disarm": ("operator_cli", "touch nothing, until a moment"),
    "maintenance": ("operator_cli", "a host's death is no incident"),
    "policy": ("operator_cli", "check a policy file, or put it in force"),
}
"""Verb -> the module that has it, and its line of help."""

OK, FAILED, USAGE, REFUSED = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Do one verb and give the exit status; errors are one sentence."""
    # Mistral's libraries import eventlet and never use it here.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser(arguments).parse_args(arguments)
    except SystemExit as end:  # argparse has told why
        return end.code if isinstance(end.code, int) else USAGE
    if options.debug:
        return int(options.run(options))
    try:
        return int(options.run(options))
    except HaError as error:
        return _tell(error, options.json)
    except KeyboardInterrupt:
        print("ha-pack: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _tell(error: HaError, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": error.as_dict()}, indent=2))
    print(f"ha-pack: {error.message}", file=sys.stderr)
    if isinstance(error, Refused):
        return REFUSED
    return USAGE if isinstance(error, BadInput) or error.retryable else FAILED


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The whole parser; only the asked verb's module is loaded."""
    parser = argparse.ArgumentParser(
        prog="ha-pack",
        description="When a compute host dies, every guest gets what its "
        "owner chose, and never runs twice.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    asked = next((a for a in arguments if a in VERBS), None)
    for verb, (module, help_) in VERBS.items():
        sub = verbs.add_parser(verb, help=help_, description=help_)
        sub.set_defaults(verb=verb)
        if verb != asked:
            continue
        found = importlib.import_module(f"ha_installer.{module}")
        add = getattr(found, f"add_{verb}", None) or found.add_arguments
        add(sub)
        for each in _leaves(sub):
            _common(each)
        if hasattr(found, "run"):
            sub.set_defaults(run=found.run)
    return parser


def _leaves(
    parser: argparse.ArgumentParser,
) -> list[argparse.ArgumentParser]:
    """The parser's own sub-verbs; and itself, if it does without one."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            mine = [] if action.required else [parser]
            return [*mine, *action.choices.values()]
    return [parser]


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="one JSON object, for programs"
    )
    parser.add_argument(
        "--debug", action="store_true", help="let an error show its traceback"
    )


if __name__ == "__main__":
    sys.exit(main())
