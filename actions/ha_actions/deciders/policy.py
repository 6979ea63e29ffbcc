"""Who decides what happens to a VM: the policy file, and a guest's choice.

Nearest wins: server metadata, image properties, flavor extra specs, aggregate
metadata, the policy's rules, ``default_protection``. A word that cannot be
taken never breaks anything: it becomes a warning, and the next nearest
decides. What a tenant says counts only within ``tenant_may``.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Collection, Hashable, Sequence
from typing import Any

import yaml

from ha_actions.codec import from_json
from ha_actions.deciders import policy_rules
from ha_actions.deciders.policy_checks import check
from ha_actions.deciders.policy_tags import (
    KEEP,
    TAG_AFTER,
    TAG_DUPLICATES,
    TAG_FALLBACK,
    TAG_GROUP,
    TAG_LOCAL_DISK,
    TAG_PORTS,
    TAG_PRIORITY,
    TAG_PROBE,
    TAG_PROTECTION,
    TAG_RESTART,
    TAG_VOLUMES,
    TAGS,
    Level,
    listen,
    speaks,
    strangers,
)
from ha_actions.deciders.prospects import with_fallback
from ha_actions.errors import BadInput
from ha_actions.model import (
    Aggregate,
    Choice,
    Guest,
    Host,
    Mode,
    Priority,
    Protection,
)
from ha_actions.settings import Policy, Rule

MAX_BYTES = 500_000
"""Of a policy file; Mistral keeps it in one environment of about 0.9 MB."""


class _Loader(yaml.SafeLoader):
    """YAML where a key given twice is a mistake, not the last one's gain."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key!r} twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


def load(text: str, steps: Collection[str] | None = None) -> Policy:
    """The policy that a file's text means.

    :param steps: names of the steps that executors have, if known.
    :raises BadInput: ``malformed``; one sentence that names the place.
    """
    return _load(text, None if steps is None else frozenset(steps))


@functools.lru_cache(maxsize=64)
def _load(text: str, steps: frozenset[str] | None) -> Policy:
    """Every action reads its policy anew; the same text is the same policy."""
    if len(text) > MAX_BYTES:
        raise BadInput(
            "malformed",
            f"policy is {len(text)} characters long; at most {MAX_BYTES} "
            "fit into Mistral.",
        )
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError as wrong:
        raise BadInput("malformed", _yaml_sentence(wrong)) from None
    if data is None:
        raise BadInput(
            "malformed",
            "policy is empty; start from policy.example.yaml.",
        )
    read = from_json(Policy, data, "policy")
    methods = {**Policy().methods, **read.methods}
    return check(dataclasses.replace(read, methods=methods), steps)


def _yaml_sentence(wrong: yaml.YAMLError) -> str:
    mark = getattr(wrong, "problem_mark", None)
    place = f" at line {mark.line + 1}" if mark else ""
    problem = getattr(wrong, "problem", None) or "it cannot be read"
    return f"policy is not good YAML{place}: {problem}."


def digest(text: str) -> str:
    """A short name for exactly this text: 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def choose(
    guest: Guest, policy: Policy, aggregates: Sequence[Aggregate]
) -> Choice:
    """What shall happen to a guest, and who said so.

    :param aggregates: all of the cloud's; those of the guest's host count.
    """
    seen = policy_rules.facts(guest, aggregates) if _has_rules(policy) else {}
    warnings: list[str] = []
    levels = _objects(guest, aggregates)
    for level in levels:
        warnings += strangers(level)
    levels += _rules(policy, seen, warnings)
    levels = [level for level in levels if speaks(level)]
    said: dict[str, str] = {}
    why: dict[str, str] = {}
    for tag in TAGS.values():
        for level in levels:
            heard = listen(tag, level, policy.tenant_may)
            warnings += heard.warnings
            if heard.value:
                said[tag.key] = heard.value
                why[tag.field] = heard.who
                break
    why.setdefault("protection", "default_protection of the policy")
    if said.get(TAG_AFTER) and said.get(TAG_AFTER) == said.get(TAG_GROUP):
        warnings.append(
            f"{why.pop('after')}: {said.pop(TAG_AFTER)!r} is the guest's own "
            "group, it would wait for itself; ignored."
        )
    shared = _shared(guest, policy, aggregates, why)
    service = _service(policy, seen, why, warnings)
    made = Choice(
        protection=Protection(
            said.get(TAG_PROTECTION, policy.default_protection)
        ),
        priority=Priority(said.get(TAG_PRIORITY, Priority.MEDIUM)),
        group=said.get(TAG_GROUP, ""),
        after=said.get(TAG_AFTER, ""),
        probe=said.get(TAG_PROBE, ""),
        discard_local_disk=said.get(TAG_LOCAL_DISK) == "discard",
        duplicates=said.get(TAG_DUPLICATES) != "no",
        volumes=said.get(TAG_VOLUMES, "anew"),
        keep_ports=said.get(TAG_PORTS) == KEEP,
        restart_on_crash=said.get(TAG_RESTART) == "on-crash",
        fallback=_falls_back(said, policy),
        shared_disk=shared,
        service_vm=service,
        why=why,
        warnings=tuple(warnings),
    )
    return with_fallback(guest, made)


def _falls_back(said: dict[str, str], policy: Policy) -> bool:
    """Whether it may become cattle; within what owners may choose."""
    may = str(Protection.CATTLE) in policy.tenant_may
    return may and said.get(TAG_FALLBACK) == "cattle"


def _has_rules(policy: Policy) -> bool:
    return bool(policy.rules or policy.service_vms)


def _of_host(host: str, aggregates: Sequence[Aggregate]) -> list[Aggregate]:
    mine = [a for a in aggregates if host in a.hosts]
    return sorted(mine, key=lambda a: a.name)


def _objects(guest: Guest, aggregates: Sequence[Aggregate]) -> list[Level]:
    """The objects that may carry tags, nearest first."""
    racks = _of_host(guest.host, aggregates)
    return [
        Level(
            (("server metadata", guest.metadata),),
            underscored=True,
            tenant=True,
        ),
        # Whoever may upload an image may write them.
        Level(
            (("image property", guest.image_properties),),
            underscored=True,
            tenant=not guest.operators_image,
        ),
        Level(((f"flavor {guest.flavor} extra spec", guest.flavor_specs),)),
        Level(
            tuple((f"aggregate {a.name} metadata", a.metadata) for a in racks)
        ),
    ]


def _rules(
    policy: Policy, seen: dict[str, Any], warnings: list[str]
) -> list[Level]:
    """The rules that are true of the guest, in order."""
    return [
        Level((("", rule.set),), rule=name)
        for rule, name in _true(policy.rules, "rule", seen, warnings)
    ]


def _true(
    rules: Sequence[Rule],
    word: str,
    seen: dict[str, Any],
    warnings: list[str],
) -> list[tuple[Rule, str]]:
    # most guests match nothing: one evaluation says so, instead of one each
    any_true = " or ".join(f"({rule.when})" for rule in rules)
    if len(rules) > 1 and policy_rules.evaluate(any_true, seen) == (False, ""):
        return []
    true = []
    for number, rule in enumerate(rules, 1):
        answer, failure = policy_rules.evaluate(rule.when, seen)
        if failure:
            warnings.append(
                f"{word} {number} cannot be told for this guest "
                f"({failure}); it counts as not true."
            )
        elif answer is True:
            name = f"{word} {number}: {rule.because or rule.when}"
            true.append((rule, name))
    return true


def _shared(
    guest: Guest,
    policy: Policy,
    aggregates: Sequence[Aggregate],
    why: dict[str, str],
) -> bool:
    """Whether the guest's disk on its host can be reached from others."""
    if guest.boot == "volume" and not guest.ephemeral_gb:
        return False  # it has no such disk
    said = {
        a.name: policy.recovery.instance_store[a.name]
        for a in _of_host(guest.host, aggregates)
        if a.name in policy.recovery.instance_store
    }
    if not said:
        why["shared_disk"] = "recovery.instance_store lists no aggregate of "
        why["shared_disk"] += "its host: local"
        return False
    shared = set(said.values()) == {"shared"}
    listed = ", ".join(f"{name}: {store}" for name, store in said.items())
    why["shared_disk"] = f"recovery.instance_store ({listed})"
    return shared


def _service(
    policy: Policy,
    seen: dict[str, Any],
    why: dict[str, str],
    warnings: list[str],
) -> str:
    true = _true(policy.service_vms, "service_vms rule", seen, warnings)
    if not true:
        return ""
    rule, name = true[0]
    why["service_vm"] = name
    return rule.because or name


def mode_for(host: Host, policy: Policy) -> Mode:
    """How far the pack may go on a host: the most careful that is listed."""
    listed = [policy.modes[a] for a in host.aggregates if a in policy.modes]
    order = list(Mode)  # shadow, ask, act: most careful first
    return min(listed, key=order.index) if listed else policy.mode


def domain_of(
    host: Host, policy: Policy, aggregates: Sequence[Aggregate]
) -> str:
    """The host's failure domain, by ``limits.domain`` of its aggregates.

    Without one: the availability zone. With several: the first by alphabet.
    """
    key = policy.limits.domain
    found = {
        a.metadata[key]
        for a in aggregates
        if key in a.metadata
        and (host.name in a.hosts or a.name in host.aggregates)
    }
    return min(found) if key and found else host.zone
