"""`ha-pack install`, `upgrade`, `remove`: the pack in a cloud, and out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import yaml
from ha_actions.errors import BadInput
from ha_actions.records import operator_acts as acts

from ha_installer import catalogue, files, hand_files
from ha_installer.catalogue import Thing
from ha_installer.clouds import site
from ha_installer.diff import Change, changes, told
from ha_installer.installation import INSTALLED, Installation, Wants
from ha_installer.into_mistral import POLICY
from ha_installer.operator_cli import read_policy


# -- options ---------------------------------------------------------------
def add_install(parser: argparse.ArgumentParser) -> None:
    """Options of `install`."""
    _common(parser)
    _putting(parser)
    parser.add_argument(
        "--policy", metavar="FILE", help="put this policy in force"
    )
    parser.add_argument(
        "--files",
        metavar="DIR",
        help="touch no cloud: write everything there, for `openstack ... "
        "create` by hand",
    )
    parser.add_argument(
        "--examples",
        metavar="DIR",
        help="touch no cloud: write the example files, drop-in settings and "
        "systemd units there, to be edited",
    )
    parser.set_defaults(run=install)


def add_upgrade(parser: argparse.ArgumentParser) -> None:
    """Options of `upgrade`."""
    _common(parser)
    _putting(parser)
    parser.add_argument(
        "--wait",
        metavar="TIME",
        nargs="?",
        const="1h",
        help="wait until no incident is at work (90s, 30m, 2h; default 1h)",
    )
    parser.set_defaults(run=upgrade)


def add_remove(parser: argparse.ArgumentParser) -> None:
    """Options of `remove`."""
    _common(parser)
    parser.add_argument(
        "--open-incidents-too",
        action="store_true",
        help="even while one is open; what it has begun stays half done",
    )
    parser.add_argument(
        "--keep-history",
        action="store_true",
        help="leave policy, incidents and reports in Mistral's database",
    )
    parser.set_defaults(run=remove)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cloud", metavar="NAME", help="a cloud of clouds.yaml"
    )
    parser.add_argument(
        "--yes", action="store_true", help="do it without asking"
    )


def _putting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executors",
        metavar="NAMES",
        default="",
        help="all executors by name ([executor] host), with commas: each "
        "must answer; else those that take turns",
    )
    parser.add_argument(
        "--cron",
        metavar="PATTERN",
        default=catalogue.EVERY_MINUTE,
        help="when ha.v1.reconcile runs (default: each minute)",
    )
    parser.add_argument(
        "--with-held",
        action="store_true",
        help="go on beside incidents that wait for a person",
    )


# -- verbs -----------------------------------------------------------------
def install(options: argparse.Namespace) -> int:
    """0: it is as the pack wants; 1: it is not, and nothing was changed."""
    if options.examples:
        return _examples(options)
    policy = files.policy_text(options.policy) if options.policy else ""
    if policy:
        read_policy(policy)
    if options.files:
        return _by_hand(options, policy)
    here = Installation(site(options.cloud))
    there = here.there()
    if not policy and not any(t.kind == "policy" for t in there):
        policy = _ask_policy(options)
    return _put(options, here, Wants(policy, options.cron))


def upgrade(options: argparse.Namespace) -> int:
    """The same for what is installed; the policy stays as it is.

    :raises BadInput: ``not_installed``.
    """
    here = Installation(site(options.cloud))
    if not any(t.kind == "workbook" for t in here.there()):
        raise BadInput(
            "not_installed",
            "There is nothing to upgrade here; `ha-pack install` installs.",
        )
    if options.wait:
        here.wait_for_rest(
            acts.duration(options.wait),
            lambda text: print(text, file=sys.stderr),
        )
    return _put(options, here, Wants(pattern=options.cron))


def remove(options: argparse.Namespace) -> int:
    """Take exactly what is ours: the entrances first, the ledger last.

    :raises Refused: ``incident_open``.
    """
    here = Installation(site(options.cloud))
    if not options.open_incidents_too:
        here.must_rest(with_held=False)
    there = [t for t in here.there() if t.kind != "policy"]
    entries = [] if options.keep_history else here.mistral.entries()
    todo = changes([], there)
    lines = told(todo)
    if entries:
        lines.append(f"delete {len(entries)} entries of the ledger (ha.*)")
    if options.keep_history:
        entries = [INSTALLED]
    if not _agreed(options, lines, "Nothing of ours is there."):
        return int(bool(lines))
    here.apply(todo, lambda change: _done(options, change))
    gone: set[str] = set()
    while left := [name for name in entries if name not in gone]:
        here.mistral.forget(left)
        gone.update(left)
        # Mistral lists a page of them at once
        entries = [] if options.keep_history else here.mistral.entries()
    return _end(options, lines, "Removed. Installed packages stay.")


def _put(options: argparse.Namespace, here: Installation, wants: Wants) -> int:
    todo = here.missing(wants)
    if here.aodh is None:
        _note(
            options,
            "This cloud has no Aodh: no alarms. ha-watch starts recoveries "
            "without it.",
        )
    books = [c for c in todo if c.thing.kind in ("workbook", "workflow")]
    if books:
        here.must_fit([n for n in options.executors.split(",") if n])
        if here.remembered():
            here.must_rest(with_held=options.with_held)
    if not _agreed(options, told(todo), _same(here)):
        return int(bool(todo))
    if books and here.remembered():  # time has passed while it was asked
        here.must_rest(with_held=options.with_held)
    here.apply(todo, lambda change: _done(options, change))
    here.remember()
    return _end(options, told(todo), _same(here))


def _same(here: Installation) -> str:
    armed = here.record.armed()
    tail = (
        "it is armed"
        if armed
        else "it decides and records, and touches nothing (shadow); `ha-pack "
        "check` says what is missing, `ha-pack arm` lets `mode: act` act"
    )
    return f"Everything is in place; {tail}."


def _examples(options: argparse.Namespace) -> int:
    names = hand_files.write_examples(options.examples)
    if options.json:
        json.dump({"folder": options.examples, "files": names}, sys.stdout)
        print()
    else:
        print(f"{options.examples}: {', '.join(names)}")
    return 0


def _by_hand(options: argparse.Namespace, policy: str) -> int:
    books = [t for b in catalogue.books() for t in catalogue.of_book(b)]
    if not policy:
        policy = _ask_policy(options)
    things = [
        Thing("policy", POLICY, policy),
        *books,
        catalogue.trigger(options.cron),
        *catalogue.alarms(),
    ]
    names = hand_files.write(options.files, things)
    if options.json:
        json.dump({"folder": options.files, "files": names}, sys.stdout)
        print()
    else:
        print(f"{options.files}: {', '.join(names)}")
    return 0


# -- asking ----------------------------------------------------------------
def _ask_policy(options: argparse.Namespace) -> str:
    """The first policy. There is no default protection: a person says it.

    :raises BadInput: nobody can be asked.
    """
    if options.json or not sys.stdin.isatty():
        raise BadInput(
            "no_policy",
            "No policy is in force, and there is no default protection: "
            "give one with --policy FILE (policy.example.yaml is a start).",
        )
    print(
        "What should happen to a VM that nobody has tagged?\n"
        "  1  pet if its disk is a volume, else ignore (suggested)\n"
        "  2  ignore: only tagged VMs are recovered\n"
        "  3  pet: evacuate them all; a local disk still needs consent"
    )
    answer = input("1, 2 or 3 [1]: ").strip() or "1"
    if answer not in ("1", "2", "3"):
        raise BadInput("no_policy", f"{answer!r} is none of 1, 2, 3.")
    text = first_policy(answer)
    read_policy(text)
    return text


def first_policy(answer: str) -> str:
    """The shipped example in shadow mode, with the person's choice."""
    text = files.policy_text()
    if answer != "1":
        raw = yaml.safe_load(text)
        chosen = "ignore" if answer == "2" else "pet"
        raw |= {"default_protection": chosen, "rules": []}
        text = yaml.safe_dump(raw, sort_keys=False)
    return text


def _agreed(
    options: argparse.Namespace, lines: Sequence[str], same: str
) -> bool:
    """Show what would be done; whether to do it."""
    if not lines:
        _end(options, [], same)
        return False
    if not options.json:
        print("\n".join(lines))
    if options.yes:
        return True
    if options.json or not sys.stdin.isatty():
        if options.json:
            _json(lines, done=False)
        print("Nothing was changed; --yes does it.", file=sys.stderr)
        return False
    if input("Do it? [y/N]: ").strip().lower() in ("y", "yes"):
        return True
    print("Nothing was changed.")
    return False


# -- telling ---------------------------------------------------------------
def _done(options: argparse.Namespace, change: Change) -> None:
    if not options.json:
        print(f"done: {change.verb} {change.thing.kind} {change.thing.name}")


def _note(options: argparse.Namespace, text: str) -> None:
    print(text, file=sys.stderr if options.json else sys.stdout)


def _json(lines: Sequence[str], *, done: bool) -> None:
    shown = [line for line in lines if not line.startswith("    ")]
    json.dump({"changes": shown, "done": done}, sys.stdout, indent=2)
    print()


def _end(options: argparse.Namespace, lines: Sequence[str], text: str) -> int:
    if options.json:
        _json(lines, done=bool(lines))
    else:
        print(text)
    return 0
