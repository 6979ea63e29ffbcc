"""An outlook for people: a table, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from ha_actions.codec import to_json
from ha_actions.deciders.outlook import Foreseen, Outlook, Standing

from ha_installer import files
from ha_installer.html import environment
from ha_installer.tables import seconds, table

COLOURS = {
    Standing.PROTECTED: "32",
    Standing.AT_RISK: "33",
    Standing.CANNOT: "1;31",
    Standing.LEFT: "2",
}


def as_json(outlook: Outlook) -> dict[str, Any]:
    """The public form: the outlook, and how many guests stand how."""
    value: dict[str, Any] = to_json(outlook)
    return {**value, "counts": counts(outlook)}


def counts(outlook: Outlook) -> dict[str, int]:
    """Standing -> guests."""
    return {s.value: outlook.count(s) for s in Standing}


def text(outlook: Outlook, *, colours: bool = False, width: int = 0) -> str:
    """What a terminal shows; the worst that can be said comes first."""
    lines = [f"If {_names(outlook.hosts)} died now:"]
    lines += [f"  ! {o}" for o in outlook.obstacles]
    if not outlook.guests:
        return "\n".join([*lines, "  no guest is there"])
    rows = [
        (
            g.standing.value,
            g.name or g.guest,
            g.host or "-",
            g.protection.value,
            str(g.wave or "-"),
            g.target or "-",
            _told(g),
        )
        for g in outlook.guests
    ]
    head = ("", "server", "on", "protection", "wave", "could go to", "why")
    lines.append(
        table(
            head,
            rows,
            width=width,
            colours=[COLOURS[g.standing] for g in outlook.guests]
            if colours
            else (),
        )
    )
    lines.append(_sum(outlook))
    if outlook.seconds and any(g.wave for g in outlook.guests):
        lines.append(
            f"The last would be back about {seconds(outlook.seconds)} after "
            f"the alarm ({outlook.basis})."
        )
    lines += [f"Note: {note}." for note in outlook.notes]
    return "\n".join(lines)


def write_html(outlook: Outlook, path: str) -> None:
    """The page; every value in it is escaped.

    :raises BadInput: jinja2 is missing, or the file cannot be written.
    """
    files.write(path, page(outlook), "page")


def page(outlook: Outlook) -> str:
    """The whole page: no network, no scripts."""
    made = environment()
    made.filters["seconds"] = seconds
    source = resources.files("ha_installer") / "outlook.html.j2"
    template = made.from_string(source.read_text(encoding="utf-8"))
    facts: Mapping[str, Any] = {
        "outlook": outlook,
        "names": _names(outlook.hosts),
        "counts": counts(outlook),
        "groups": {
            s.value: [g for g in outlook.guests if g.standing is s]
            for s in (
                Standing.CANNOT,
                Standing.AT_RISK,
                Standing.LEFT,
                Standing.PROTECTED,
            )
        },
        "back": any(g.wave for g in outlook.guests),
    }
    return str(template.render(**facts))


def _names(hosts: Sequence[str]) -> str:
    if not hosts:
        return "the host of each server"
    if len(hosts) > 8:
        return f"{', '.join(hosts[:6])} and {len(hosts) - 6} more hosts"
    return ", ".join(hosts)


def _told(g: Foreseen) -> str:
    said = [f"{reason}." for reason in g.reasons] or [g.sentence]
    if g.reasons and g.standing is Standing.CANNOT:
        said.insert(0, g.sentence)
    return " ".join([*said, *(f"Cure: {cure}." for cure in g.cures)])


def _sum(outlook: Outlook) -> str:
    parts = [f"{n} {word}" for word, n in counts(outlook).items() if n]
    n = len(outlook.guests)
    return f"{n} server{'' if n == 1 else 's'}: {', '.join(parts)}."
