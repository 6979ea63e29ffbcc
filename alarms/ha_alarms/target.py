"""What an alarm's action asks for: ``trust+mistral://WORKFLOW?...``.

The bridge takes the same workflow and parameters, behind ``trust+https://``.
Aodh's API looks at an action's scheme only, so whoever makes an alarm reads
its action with :func:`read_target` first; the notifier reads it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib import parse

SCHEME = "trust+mistral"
NAME = re.compile(r"[A-Za-z0-9_.\-]{1,255}")
"""A workflow, its namespace, an input or a trait; Mistral keeps 255."""
KINDS = "alarm=INPUT, trait.INPUT=TRAIT, input.INPUT=TEXT, json.INPUT=JSON, "
LIMIT = 4096
"""Characters of an action; Aodh keeps them in one text column."""


@dataclass(frozen=True)
class Target:
    """What an alarm's action asks for: a workflow, and where inputs are from.

    With neither ``inputs``, ``traits`` nor ``alarm_input`` the event is read
    from the execution's environment: ``<% env().event %>``.
    """

    workflow: str
    namespace: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Input -> value, as the action says it."""
    traits: Mapping[str, str] = field(default_factory=dict)
    """Input -> trait of the event."""
    alarm_input: str = ""
    """The input that takes the whole alarm body."""


def read_action(url: str) -> Target:
    """The target of a whole action; a trust id in it is not looked at.

    :raises ValueError: one sentence says what is wrong with it.
    """
    split = parse.urlsplit(url)
    if split.scheme != SCHEME:
        raise ValueError(
            f"the action does not begin with {SCHEME}://; it reads "
            f"{SCHEME}://WORKFLOW?PARAMETERS"
        )
    if split.path.strip("/"):
        raise ValueError(
            f"the action has a path, {split.path!r}; parameters come after "
            "a question mark"
        )
    # not .hostname: it is lower-cased
    return read_target(split.netloc.rpartition("@")[2], split.query)


def read_target(workflow: str, query: str) -> Target:
    """The target of a workflow's (quoted) name and a query string.

    :raises ValueError: one sentence says what is wrong with it.
    """
    if len(workflow) + len(query) > LIMIT:
        raise ValueError(f"the action is longer than {LIMIT} characters")
    name = _name(parse.unquote(workflow), "workflow")
    try:
        pairs = parse.parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query)
        )
    except ValueError:
        raise ValueError(
            f"the parameters {query!r} cannot be read; they are NAME=VALUE, "
            "joined by &"
        ) from None
    inputs: dict[str, Any] = {}
    traits: dict[str, str] = {}
    single = {"alarm": "", "namespace": ""}
    for key, value in pairs:
        kind, _, input = key.partition(".")
        if key in single:
            single[key] = _name(value, key)
            continue
        if kind not in ("trait", "input", "json") or not input:
            raise ValueError(
                f"the parameter {key!r} is unknown; there are {KINDS}"
                "namespace=NAME"
            )
        if input in inputs or input in traits:
            raise ValueError(f"the input {input!r} is given twice")
        _name(input, "input")
        if kind == "trait":
            traits[input] = _name(value, "trait")
        else:
            inputs[input] = value if kind == "input" else _json(input, value)
    if single["alarm"] in {*inputs, *traits}:
        raise ValueError(f"the input {single['alarm']!r} is given twice")
    return Target(
        workflow=name,
        namespace=single["namespace"],
        inputs=inputs,
        traits=traits,
        alarm_input=single["alarm"],
    )


def write_action(target: Target) -> str:
    """The action of a target, as Aodh's API takes it."""
    pairs = [(f"trait.{k}", v) for k, v in target.traits.items()]
    pairs += [
        (f"input.{k}", v)
        if isinstance(v, str)
        else (f"json.{k}", json.dumps(v))
        for k, v in target.inputs.items()
    ]
    pairs += [("alarm", target.alarm_input)] if target.alarm_input else []
    pairs += [("namespace", target.namespace)] if target.namespace else []
    query = parse.urlencode(pairs)
    return f"{SCHEME}://{target.workflow}" + (f"?{query}" if query else "")


def _name(text: str, what: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(
            f"the {what} {text[:80]!r} is no name: letters, digits, '_', '.' "
            "and '-' only"
        )
    return text


def _json(input: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(
            f"json.{input}={text[:80]!r} is not JSON; text goes into "
            f"input.{input}="
        ) from None
