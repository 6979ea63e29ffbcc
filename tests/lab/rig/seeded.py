"""What the pack's installation left in Mistral and in Aodh: noted when it was
installed, and put back at a reset, which takes a second; installing it again
takes ten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rig import settings
from rig.rest import Cloud

NOTE = settings.PACK / "installed.json"
KEPT = ("ha.policy", "ha.installed", "ha.armed")
"""The ledger's entries that are the installation's; all others are what
happened since."""
_CHANGES = ("timestamp", "evaluate_timestamp", "state_timestamp")
_EVERYONES = "/v2/alarms?q.field=all_projects&q.op=eq&q.value=true"

AT_A_TIME = 4

Row = dict[str, Any]


def note() -> None:
    """Write down what is installed now."""
    cloud = Cloud()
    kept = {
        name: row
        for name, row in _ledger(cloud).items()
        if name in KEPT or name.startswith("ha.policy.")
    }
    found = {
        "definitions": _definitions(cloud),
        "ledger": kept,
        "alarms": _ours(cloud("aodh", "GET", _EVERYONES)),
    }
    NOTE.write_text(json.dumps(found, indent=1))


def silence() -> None:
    """No alarm starts anything: the pack's are off, all others are gone."""
    cloud = Cloud()
    alarms = cloud("aodh", "GET", _EVERYONES)
    kept = _ours(alarms)

    def silence_one(row: Row) -> None:
        path = f"/v2/alarms/{row['alarm_id']}"
        if row["alarm_id"] not in kept:
            cloud.ask("aodh", "DELETE", path)
        elif row["enabled"]:
            cloud.ask("aodh", "PUT", path, row | {"enabled": False})

    side_by_side(silence_one, alarms)


def put_back() -> bool:
    """The ledger as after the installation, the alarms on again. False when
    somebody has changed more than that: then it has to be installed anew.
    """
    noted = _noted()
    cloud = Cloud()
    if noted is None or noted["definitions"] != _definitions(cloud):
        return False
    found = cloud("aodh", "GET", _EVERYONES)
    alarms, wanted = _ours(found), noted["alarms"]
    if {row["alarm_id"] for row in found} != wanted.keys():
        return False
    _ledger_back(cloud, noted["ledger"])
    side_by_side(
        lambda id: cloud("aodh", "PUT", f"/v2/alarms/{id}", wanted[id]),
        [id for id, row in wanted.items() if alarms.get(id) != row],
    )
    return True


def side_by_side(do: Callable[[Any], Any], each: Iterable[Any]) -> None:
    """Some calls at a time; the first failure is raised."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(do, each))


def empty() -> None:
    """Nothing in the ledger, no alarm: before it is installed anew."""
    cloud = Cloud()
    _forget(cloud, _ledger(cloud))
    for row in cloud("aodh", "GET", _EVERYONES):
        cloud.ask("aodh", "DELETE", f"/v2/alarms/{row['alarm_id']}")


def _forget(cloud: Cloud, names: Iterable[str]) -> None:
    side_by_side(
        lambda name: cloud.ask("mistral", "DELETE", f"/environments/{name}"),
        names,
    )


def _noted() -> Row | None:
    try:
        found: Row = json.loads(NOTE.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found


def _ours(alarms: list[Row]) -> dict[str, Row]:
    """Alarm id -> the alarm, of those that the pack made."""
    return {
        row["alarm_id"]: {k: v for k, v in row.items() if k not in _CHANGES}
        for row in alarms
        if str(row["description"]).startswith("ha-pack-managed")
    }


def _definitions(cloud: Cloud) -> dict[str, list[list[str]]]:
    """What tells that a definition is the same one: id and last change."""
    kinds = {
        "workbooks": "name,id,updated_at",
        "workflows": "name,id,updated_at",
        "cron_triggers": "name,id,pattern",
    }
    return {
        kind: sorted(
            [str(row.get(field)) for field in fields.split(",")]
            for row in cloud("mistral", "GET", f"/{kind}?fields={fields}")[
                kind
            ]
            if row["name"].startswith("ha")
        )
        for kind, fields in kinds.items()
    }


def _ledger(cloud: Cloud) -> dict[str, Row]:
    """Name -> what an environment is made of."""
    rows = cloud("mistral", "GET", "/environments")["environments"]
    return {
        row["name"]: {
            "name": row["name"],
            "description": row["description"],
            "variables": json.loads(row["variables"]),
            "scope": row["scope"],
        }
        for row in rows
    }


def _ledger_back(cloud: Cloud, noted: dict[str, Row]) -> None:
    rows = cloud("mistral", "GET", "/environments?fields=name")["environments"]
    _forget(cloud, {row["name"] for row in rows} - noted.keys())
    found = _ledger(cloud)
    _forget(cloud, [n for n, row in found.items() if noted.get(n) != row])
    for name, row in noted.items():
        if found.get(name) != row:
            cloud("mistral", "POST", "/environments", row)
