"""What a policy's types alone cannot tell: words and numbers that must fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ha_actions.codec import from_json, nearest
from ha_actions.deciders import policy_rules
from ha_actions.deciders.policy_tags import TAG_AFTER, TAG_GROUP, TAGS
from ha_actions.errors import BadInput
from ha_actions.model import Evidence, Protection
from ha_actions.settings import Policy, Rule

_WITH_METHOD = (str(Protection.PET), str(Protection.CATTLE))
_STORES = ("shared", "local")
RUNGS = ("start", "reboot", "migrate")
"""What `restart.ladder` may hold."""


@dataclass(frozen=True, kw_only=True)
class _Network:
    """One entry of ``witnesses.networks``."""

    hosts: dict[str, str]
    port: int
    control: str


def check(policy: Policy, steps: Collection[str] | None) -> Policy:
    """The same policy, if it makes sense.

    :raises BadInput: ``malformed``; the first thing that does not.
    """
    _words(policy.tenant_may, [str(p) for p in Protection], "tenant_may")
    _methods(policy, steps)
    for number, rule in enumerate(policy.rules, 1):
        _rule(rule, f"rules: rule {number}")
    for number, rule in enumerate(policy.service_vms, 1):
        _service_rule(rule, f"service_vms: rule {number}")
    _witnesses(policy)
    _fencing(policy)
    for name, store in policy.recovery.instance_store.items():
        _word(store, _STORES, f"recovery: instance_store: {name}")
    if policy.recovery.deadline_s <= 4 * policy.recovery.poll_s:
        raise _bad(
            "recovery: deadline_s",
            f"is {policy.recovery.deadline_s}; it must be more than four "
            f"times poll_s ({policy.recovery.poll_s})",
        )
    for rung, budget in policy.restart.ladder.items():
        _word(rung, RUNGS, "restart: ladder")
        if not 10 <= budget <= 1200:
            raise _bad(
                f"restart: ladder: {rung}",
                f"is {budget}; a rung may take 10 to 1200 seconds",
            )
    _once(policy.drill.hosts, "drill: hosts")
    _once(policy.probe_networks, "probe_networks")
    return policy


def _methods(policy: Policy, steps: Collection[str] | None) -> None:
    for name, method in policy.methods.items():
        where = f"methods: {name}"
        if name not in _WITH_METHOD:
            raise _bad(
                where,
                f"has no method{nearest(name, _WITH_METHOD)}; only pet and "
                "cattle are acted on",
            )
        if not method:
            raise _bad(
                where,
                "has no steps; to leave guests alone protect them as ignore",
            )
        _once(method, where)
        for step in method:
            if not step.startswith("ha.") or step == "ha.":
                raise _bad(
                    where,
                    f"names the step {step!r}; a step's name starts with 'ha.'"
                    f"{nearest(step, steps or ())}",
                )
            if steps is not None:
                _word(step, steps, where)


def _rule(rule: Rule, where: str) -> None:
    policy_rules.check(rule.when, f"policy: {where}: when")
    if not rule.set:
        raise _bad(where, "sets nothing; give `set` a tag and its value")
    for key, value in rule.set.items():
        _word(key, TAGS, f"{where}: set")
        wrong = TAGS[key].wrong(value)
        if wrong:
            raise _bad(f"{where}: set: {key}", f"is {value!r}, which {wrong}")
    after = rule.set.get(TAG_AFTER)
    if after and after == rule.set.get(TAG_GROUP):
        raise _bad(where, f"lets group {after!r} wait for itself")


def _service_rule(rule: Rule, where: str) -> None:
    policy_rules.check(rule.when, f"policy: {where}: when")
    if rule.set:
        raise _bad(where, "has `set`; a service's guests are left alone")


def _witnesses(policy: Policy) -> None:
    its = policy.witnesses
    _once(its.ask, "witnesses: ask")
    for name in its.veto:
        if name not in its.ask:
            raise _bad(
                "witnesses: veto",
                f"names {name!r}{nearest(name, its.ask)}, which `ask` does "
                "not list, so that nobody would hear it",
            )
    if its.need_dead > len(its.ask):
        raise _bad(
            "witnesses: need_dead",
            f"is {its.need_dead}, but `ask` lists {len(its.ask)}: no host "
            "would ever be DOWN",
        )
    for name, entry in its.networks.items():
        where = f"witnesses: networks: {name}"
        network = from_json(_Network, entry, f"policy: {where}")
        if not 0 < network.port < 65536:
            raise _bad(f"{where}: port", f"is {network.port}, not 1-65535")
        if not network.control:
            raise _bad(
                f"{where}: control",
                "is empty; name an address that always answers",
            )
        for host, address in network.hosts.items():
            if address in ("", network.control):
                raise _bad(
                    f"{where}: hosts: {host}",
                    f"is {address!r}; it needs an address of its own, not "
                    "the control's",
                )


def _fencing(policy: Policy) -> None:
    its = policy.fencing
    _words(its.accept, [str(e) for e in Evidence], "fencing: accept")
    if not its.accept:
        raise _bad("fencing: accept", "is empty: nothing would be proof")
    least = its.stable_s + 2 * its.poll_s
    if its.deadline_s <= least:
        raise _bad(
            "fencing: deadline_s",
            f"is {its.deadline_s}; it must be more than stable_s and two "
            f"readings together ({least:g})",
        )


def _words(found: list[str], known: Collection[str], where: str) -> None:
    for word in found:
        _word(word, known, where)
    _once(found, where)


def _word(word: str, known: Iterable[str], where: str) -> None:
    if word not in known:
        known = sorted(known)
        raise _bad(
            where,
            f"cannot be {word!r}{nearest(word, known)}; it is one of "
            f"{', '.join(known)}",
        )


def _once(found: list[Any], where: str) -> None:
    for word in found:
        if found.count(word) > 1:
            raise _bad(where, f"lists {word!r} twice")


def _bad(where: str, what: str) -> BadInput:
    return BadInput("malformed", f"policy: {where} {what}.")
