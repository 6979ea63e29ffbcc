"""One host dies with servers of every choice: what was foretold is done, each
owner hears of his own, and what is left alone has its reason.
"""

from __future__ import annotations

import base64
import json
import subprocess
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from many import boot_all
from test_pets import rows
from test_pools import Pool

pytestmark = pytest.mark.lab_full

HOST = "host1"
DISCARD = {"ha:local-disk": "discard"}
PET = {"ha:protection": "pet", **DISCARD}
CATTLE = {"ha:protection": "cattle"}
RECOVERY_S = 300

FORETOLD = {
    "local": "refused_local_disk",
    "tpm": "refused_unsupported",
    "spare": "recreated",
    "apart-1": "evacuated",
    "db": "evacuated",
    "app": "evacuated",
    "etcd-1": "evacuated",
    "etcd-2": "evacuated",
    "own": "left_custom",
    "alone": "left_ignored",
    "herd": "recreated",
    "once": "recreated",
    "keyed": "refused_cannot_copy",
}
"""Server -> what `whatif` says of it; the incident must do just that."""


def tpm_flavor(lab: ModuleType) -> str:
    """A flavor with a virtual TPM, made once."""
    compute = lab.cloud("lab").compute
    found = compute.find_flavor("tiny-tpm")
    if found is None:
        found = compute.create_flavor(name="tiny-tpm", ram=64, vcpus=1, disk=1)
        specs = {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}
        compute.create_flavor_extra_specs(found, specs)
    return str(found.id)


def key_pair(lab: ModuleType, *, there: bool) -> None:
    """The key pair `short-lived` of the user who boots; it goes afterwards."""
    compute = lab._admin_in_demo().compute
    compute.delete("/os-keypairs/short-lived")
    if there:
        body = {"name": "short-lived", "type": "ssh", "public_key": KEY}
        answer = compute.post("/os-keypairs", json={"keypair": body})
        assert answer.status_code == 201, answer.text


_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))
KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()} lab"


def boot_every_kind(lab: ModuleType, ctl: ModuleType) -> dict[str, str]:
    """Name -> id."""
    apart = lab.server_group("apart", "anti-affinity")
    tpm = tpm_flavor(lab)
    key_pair(lab, there=True)
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "local": (HOST, {"metadata": {"ha:protection": "pet"}}),
        "tpm": (HOST, {"metadata": PET, "flavorRef": tpm}),
        "spare": (
            HOST,
            {"metadata": PET | {"ha:fallback": "cattle"}, "flavorRef": tpm},
        ),
        "apart-1": (HOST, {"metadata": PET, "hints": {"group": apart}}),
        "apart-2": ("host2", {"metadata": PET, "hints": {"group": apart}}),
        "apart-3": ("host3", {"metadata": PET, "hints": {"group": apart}}),
        "app": (
            HOST,
            {"metadata": PET | {"ha:after": "db", "ha:priority": "high"}},
        ),
        "etcd-1": (HOST, {"metadata": PET | {"ha:group": "etcd"}}),
        "etcd-2": (HOST, {"metadata": PET | {"ha:group": "etcd"}}),
        "etcd-3": ("host2", {"metadata": PET | {"ha:group": "etcd"}}),
        "own": (HOST, {"metadata": {"ha:protection": "custom"}}),
        "alone": (HOST, {"metadata": {"ha:protection": "ignore"}}),
        "herd": (HOST, {"metadata": CATTLE}),
        "once": (HOST, {"metadata": CATTLE | {"ha:duplicates": "no"}}),
        "keyed": (HOST, {"metadata": CATTLE, "key_name": "short-lived"}),
    }
    ids = {}
    posts = {
        name: partial(lab.post_server, name, on, **more)
        for name, (on, more) in kinds.items()
    }
    for name, (_, more) in kinds.items():
        if "hints" in more:  # Nova may refuse two of a group at a time
            ids |= boot_all(lab, {name: posts.pop(name)})
    db = {"ha:group": "db", "ha:priority": "low"}
    posts["db"] = partial(ctl.boot_from_volume, "db", HOST, metadata=db)
    ids |= boot_all(lab, posts)
    key_pair(lab, there=False)
    return ids


def foretold_by_owner() -> dict[str, Any]:
    """`ha-pack explain --tenant --json`, as the tenant runs it."""
    from rig import process, settings
    from rig.services import mistral

    done = subprocess.run(
        [
            str(settings.MISTRAL_BIN / "ha-pack"),
            *("explain", "--tenant", "--json"),
        ],
        env=process.environment(
            "ha-pack", mistral.ENV | {"OS_CLOUD": "lab-tenant"}
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def asked_at(ctl: ModuleType, id: str) -> tuple[str, str]:
    """When its one evacuation was asked for, and when it was over."""
    (record,) = ctl.evacuations(id)
    return str(record["created_at"]), str(record["updated_at"])


def heard(there: Any, ids: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Server name -> kind of event -> its traits, as the owner got them."""
    names = {id: name for name, id in ids.items()}
    found: dict[str, dict[str, Any]] = {name: {} for name in ids}
    for body in there.bodies("/mine"):
        event = body["reason_data"]["event"]
        traits = {name: value for name, _, value in event["traits"]}
        kind = event["event_type"].removeprefix("compute.instance.")
        if traits.get("instance_id") in names and "incident" in traits:
            found[names[traits["instance_id"]]][kind] = traits
    return found


def test_what_was_foretold_is_done_and_told(full: ModuleType) -> None:
    import bus
    import control as ctl

    lab = full
    recovery = {"custom_s": 120, "ready_s": 60}
    ctl.set_policy(recovery=recovery)
    ids = boot_every_kind(lab, ctl)
    pool = Pool(lab)
    pool.add("db", ctl.addresses(ids["db"])[0], 2)
    pool.monitor()
    code, foretold = ctl.ha_pack("whatif", HOST)
    assert code == 1, "some of them cannot be protected"
    said = {row["name"]: row["code"] for row in foretold["guests"]}
    assert said == FORETOLD
    targets = {row["name"]: row["target"] for row in foretold["guests"]}
    assert targets["apart-1"] == "host4", "the others have the other hosts"
    mine = {row["name"]: row for row in foretold_by_owner()["guests"]}
    assert set(ids) <= set(mine)
    assert all(HOST not in str(row["host"]) for row in mine.values())
    for name in ("local", "own", "alone", "herd", "once"):
        assert mine[name]["code"] == FORETOLD[name]
    lab.until(
        lambda: {s for _, s in pool.members().values()} == {"ONLINE"},
        60,
        lambda: f"the member being ONLINE: {pool.members()}",
    )

    with bus.receiver() as there:
        bus.alarm(
            "mine",
            "compute.instance.*",
            f"{there.url}/mine",
            cloud="lab-tenant",
        )
        lab.pull_plug(HOST)
        execution = ctl.by_alarm(HOST)
        # the owner's own workflow, started by his own alarm
        lab.until(
            lambda: "host_fenced" in heard(there, ids)["own"],
            120,
            "the owner hearing that the host is fenced",
        )
        assert lab.server(ids["own"])["host"] == HOST
        lab.cloud("lab-tenant").compute.delete_server(ids["own"])
        output = ctl.wait(execution, RECOVERY_S)
        told = rows(ctl.report(output["incident"]))
        for row in told.values():
            print(row["name"], row["outcome"], row["reason"])
        print(output["summary"])
        lab.until(
            lambda: "recovered" in heard(there, ids)["db"],
            20,
            "the owner hearing how it ended",
        )
        events = heard(there, ids)

    # held for the one whose copy its owner has made impossible, no other
    assert output["state"] == "held", output
    assert "not as chosen: keyed;" in output["summary"]
    # pets: elsewhere, once, apart from each other, in their order
    for name in ("apart-1", "db", "app", "etcd-1", "etcd-2"):
        now = lab.server(ids[name])
        assert (now["status"], now["task_state"]) == ("ACTIVE", None), now
        assert lab.copies_running(ids[name]) == [now["host"]]
        assert now["host"] != HOST
    assert lab.server(ids["apart-1"])["host"] == "host4"
    assert asked_at(ctl, ids["db"])[1] <= asked_at(ctl, ids["app"])[0]
    first, second = sorted(asked_at(ctl, ids[n]) for n in ("etcd-1", "etcd-2"))
    assert first[1] <= second[0], "one by one: most of the cluster had died"
    # cattle: new servers; and the pet that Nova would refuse, as it chose
    found = list(lab.cloud("lab").compute.servers(all_projects=True))
    for name in ("herd", "once", "spare"):
        assert lab.server(ids[name]) is None
        (new,) = [s for s in found if s.name == name]
        assert new.metadata["ha:replaces"] == ids[name]
        assert lab.copies_running(new.id) == [new.compute_host]
    # left alone, each with its reason
    for name in ("local", "tpm", "alone", "keyed"):
        assert lab.server(ids[name])["host"] == HOST
        assert ctl.evacuations(ids[name]) == []
        assert lab.copies_running(ids[name]) == []
        assert len([s for s in found if s.name == name]) == 1
    assert "key pair short-lived" in told["keyed"]["reason"]

    # the owner heard of each of them, and learned no host
    for name, code in FORETOLD.items():
        kinds = set(events[name])
        if name in ("local", "tpm", "alone"):
            assert "left_alone" in kinds, (name, kinds)
            assert events[name]["left_alone"]["code"] == code
            assert "recovered" not in kinds
        elif name == "keyed":
            assert {"recovering", "recovery_failed"} <= kinds
        else:
            assert {"recovering", "recovered"} <= kinds, (name, kinds)
        for traits in events[name].values():
            assert not {HOST, "host2", "host3", "host4"} & set(traits.values())
    assert events["apart-2"] == {}, "it was on another host"
