"""What every real fence needs: strict settings, and a last look at the claim.

The claim is looked at as late as can be: right before the call that cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ha_actions.codec import from_json
from ha_actions.errors import BadInput, HaError, Refused
from ha_actions.model import Claim, Power, Reading
from ha_actions.ports import Clock

S = TypeVar("S")


def settings_of(
    cls: type[S], settings: Mapping[str, Any], host: str, kind: str
) -> S:
    """A host's entry of the fence file as a dataclass.

    :raises BadInput: an unknown key, or a ``ValueError`` of ``cls``; the
        message never shows a value that may be a secret.
    """
    where = f"fence file: {host}: {kind}"
    try:
        return from_json(cls, dict(settings), where)
    except ValueError as error:
        raise BadInput("malformed", f"{where}: {error}.") from error


def still_ours(claim: Claim, clock: Clock, host: str, what: str) -> None:
    """Refuse when the claim has ended.

    :raises Refused: ``superseded``.
    """
    if clock.now() > claim.until:
        raise Refused(
            "superseded",
            f"The claim on {host} ended before {what}; another attempt has "
            "it now.",
        )


def same_machine(
    shown: Mapping[str, str], wanted: str, device: str, host: str
) -> str:
    """What a device shows, if one of it is the configured identity.

    :param shown: kind of name -> name; an empty ``wanted`` fits all.
    :raises BadInput: ``wrong_machine``.
    """
    names = [name for name in shown.values() if name]
    if wanted and wanted.lower() not in [name.lower() for name in names]:
        raise BadInput(
            "wrong_machine",
            f"{device} controls {' / '.join(names) or 'nobody knows what'}, "
            f"not {wanted}; correct the entry of {host} in the fence file.",
            host=host,
        )
    return " / ".join(names) or device


def unknown(device: str, clock: Clock, why: HaError | str) -> Reading:
    """A reading that says nothing, with its reason."""
    detail = why.message if isinstance(why, HaError) else why
    return Reading(
        device=device, power=Power.UNKNOWN, at=clock.now(), detail=detail
    )
