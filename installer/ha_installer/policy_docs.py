"""The tables of settings in the docs, made from the schemas themselves.

``python -m ha_installer.policy_docs docs/policy.md`` (or ``docs/watch.md``)
writes them anew between their two marks; with ``--check`` it only says whether
the page is up to date.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ha_actions.codec import to_json
from ha_actions.settings import Policy
from ha_alarms.beat import BeatFile
from ha_alarms.watch_settings import WatchFile

BEGIN = "<!-- settings: made by ha_installer.policy_docs, do not edit -->"
END = "<!-- settings: end -->"


PAGES: dict[str, list[tuple[str, Any]]] = {
    "watch.md": [
        ("The watch's file, `watch.yaml`", WatchFile),
        ("A host's file, `beat.yaml`", BeatFile),
    ]
}
"""Page -> its schemas, with their headings; any other is the policy's."""


def tables(page: str) -> str:
    """What stands between the marks of a page, by its name."""
    known = PAGES.get(page, [("The file", Policy)])
    return "\n".join(table(*one) for one in known)


def table(heading: str = "The file", schema: Any = Policy) -> str:
    """Every key of a file as Markdown, in the schema's order."""
    parts = []
    for name, cls in _sections(schema, ""):
        doc = re.sub(r"``", "`", (cls.__doc__ or "").strip())
        doc = "\n".join(line.strip() for line in doc.splitlines())
        parts.append(f"### {name or heading}\n\n{doc}\n")
        parts.append("| key | default | bounds | meaning |")
        parts.append("| --- | --- | --- | --- |")
        parts += [row for f in dataclasses.fields(cls) if (row := _row(f))]
        parts.append("")
    return "\n".join(parts)


def _sections(cls: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The schema's classes, each with the key under which it stands."""
    yield name, cls
    hints = typing.get_type_hints(cls)
    seen = set()
    for f in dataclasses.fields(cls):
        hint = hints[f.name]
        items = typing.get_args(hint)
        inner = items[0] if items else hint
        if dataclasses.is_dataclass(inner) and inner not in seen:
            seen.add(inner)
            same = [n for n, h in hints.items() if h == hint]
            yield from _sections(inner, ", ".join(f"`{n}`" for n in same))


def _row(f: dataclasses.Field[Any]) -> str:
    if "why" not in f.metadata:
        return ""  # a section of its own
    low, high = f.metadata["low"], f.metadata["high"]
    bounds = f"{low:g} - {high:g}" if low is not None else ""
    why = f.metadata["why"].replace("|", "\\|")
    return f"| `{f.name}` | {_default(f)} | {bounds} | {why} |"


def _default(f: dataclasses.Field[Any]) -> str:
    if f.default_factory is not dataclasses.MISSING:
        value = f.default_factory()
    else:
        value = f.default
    if value in ("", [], {}):
        return "none"
    return f"`{json.dumps(to_json(value))}`".replace('"', "")


def renew(page: str, name: str = "policy.md") -> str:
    """The page with the present tables between its marks.

    :raises ValueError: a mark is missing.
    """
    head, _, rest = page.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{head}{BEGIN}\n\n{tables(name)}\n{END}{tail}"


def main(args: Sequence[str] | None = None) -> int:
    """Write the page, or check it (exit status 1: not up to date)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args(args)
    old = asked.page.read_text()
    new = renew(old, asked.page.name)
    if not asked.check:
        asked.page.write_text(new)
    elif old != new:
        sys.stderr.write(
            f"{asked.page} is behind its schema; run python -m "
            f"ha_installer.policy_docs {asked.page}.\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
