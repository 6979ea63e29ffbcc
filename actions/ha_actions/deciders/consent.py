"""What a person's yes covers: the situation that was shown, or a better one.

Pure. A yes is given to a question in a situation. When it is asked again, the
yes holds only if nothing speaks less for it than then: no further host is
down or has used a fence, and every witness that said dead still does.
"""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.model import Refusal, Says, Verdict


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a person saw, or would see now."""

    code: str
    """The question: the refusal's code."""
    dead: tuple[str, ...] = ()
    """Witnesses that said dead."""
    down: tuple[str, ...] = ()
    """Hosts that were down, where the question is about them."""
    fenced: tuple[str, ...] = ()
    """Hosts that had used the fences up, where it is about those."""


@dataclass(frozen=True, kw_only=True)
class Yes:
    """A person's yes, kept with the incident."""

    by: str
    at: float
    to: Basis


def basis(refusal: Refusal, verdict: Verdict | None) -> Basis:
    """The situation in which a question is asked."""
    heard = verdict.testimonies if verdict else ()
    return Basis(
        code=refusal.code,
        dead=tuple(sorted(t.witness for t in heard if t.says is Says.DEAD)),
        down=tuple(sorted(map(str, refusal.facts.get("down", ())))),
        fenced=tuple(sorted(map(str, refusal.facts.get("fenced", ())))),
    )


def in_words(to: Basis) -> str:
    """What a yes is to, for the person who gives it."""
    lines = [to.code]
    if to.down:
        lines.append(f"with {', '.join(to.down)} down")
    if to.fenced:
        lines.append(f"with the fences used up by {', '.join(to.fenced)}")
    return " ".join(lines)


def not_covered(yes: Yes, now: Basis, at: float, ask_s: float) -> str:
    """Why a yes does not cover what is asked now; empty: it does.

    :param ask_s: seconds for which a yes is good.
    """
    if yes.to.code != now.code:
        return f"it was to {yes.to.code}"
    if at > yes.at + ask_s:
        return f"it is older than {ask_s:g} s"
    more = sorted(set(now.down) - set(yes.to.down))
    if more:
        return f"{' and '.join(more)} went down since"
    others = sorted(set(now.fenced) - set(yes.to.fenced))
    if others:
        return f"{' and '.join(others)} used a fence since"
    fewer = sorted(set(yes.to.dead) - set(now.dead))
    if fewer:
        return f"{' and '.join(fewer)} no longer says dead"
    return ""
