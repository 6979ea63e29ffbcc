"""Nova: one API, conductor and scheduler, and a nova-compute for each host."""

from __future__ import annotations

import shutil

from rig import hosts, ini, process, settings
from rig.rest import Cloud
from rig.service import Service, Setup, nova_says_up
from rig.services import link
from rig.uwsgi import api

ETC = settings.ETC / "nova"
CONF = ETC / "nova.conf"
CELL0 = ETC / "cell0.conf"
CONTROLLER = "ctl"

# A killed host is seen down after five seconds instead of a minute; what Nova
# does every half hour, it does each 30 s.
TIMING = {
    "report_interval": 1,
    "service_down_time": 5,
    "rpc_response_timeout": 30,
    "running_deleted_instance_action": "reap",
    "running_deleted_instance_poll_interval": 30,
    "sync_power_state_interval": 30,
    "update_resources_interval": 30,
    "shelved_offload_time": 0,
    # else the first round of each comes up to a minute late
    "periodic_fuzzy_delay": 0,
}

# Room for any number of tiny servers: the lab is not about capacity.
ROOM = {
    "max_concurrent_builds": 0,
    "cpu_allocation_ratio": 16,
    "ram_allocation_ratio": 1.5,
    "disk_allocation_ratio": 10,
    "max_local_block_devices": 3,
}


def configure() -> None:
    """nova.conf, one small file a host, and the API's paste file, which it
    wants beside nova.conf.
    """
    ini.write(CONF, _nova_conf())
    ini.write(
        CELL0, {"database": {"connection": settings.db_url("nova_cell0")}}
    )
    for host in settings.HOSTS:
        state = settings.host_dir(host)
        state.mkdir(parents=True, exist_ok=True)
        own: dict[str, object] = {"host": host, "state_path": state}
        if settings.FULL:
            own["transport_url"] = link.transport_url(host)
        ini.write(ETC / f"{host}.conf", {"DEFAULT": own})
    paste = settings.VENV / "etc" / "nova" / "api-paste.ini"
    if paste.exists():
        shutil.copyfile(paste, ETC / "api-paste.ini")


def _nova_conf() -> ini.Config:
    return {
        "DEFAULT": {
            "transport_url": settings.TRANSPORT_URL,
            "state_path": settings.DATA / "nova",
            "instances_path": settings.DATA / "nova" / "instances",
            "host": CONTROLLER,
            "my_ip": settings.LISTEN,
            "use_cow_images": False,
            "concurrency_backend": "auto",
            "compute_driver": "guests_on_disk.DiskDriver",
            **TIMING,
            **ROOM,
        },
        "wsgi": {"api_paste_config": ETC / "api-paste.ini"},
        "api": {"auth_strategy": "keystone"},
        "api_database": {"connection": settings.db_url("nova_api")},
        "database": {"connection": settings.db_url("nova")},
        "quota": {"driver": "nova.quota.NoopQuotaDriver"},
        "conductor": {"workers": 1},
        # The scheduler maps new hosts by itself, which saves a nova-manage run
        # at the first start.
        "scheduler": {
            "workers": 1,
            "discover_hosts_in_cells_interval": 3,
            "max_attempts": 3,
        },
        "filter_scheduler": {
            "host_subset_size": 1,
            "track_instance_changes": True,
            # Nova's default, and the last, for `keep_apart`
            "enabled_filters": (
                "ComputeFilter",
                "ComputeCapabilitiesFilter",
                "ImagePropertiesFilter",
                "ServerGroupAntiAffinityFilter",
                "ServerGroupAffinityFilter",
                "DifferentHostFilter",
            ),
        },
        # Neutron tells Nova nothing here: see neutron.conf
        "compute": {"live_migration_wait_for_vif_plug": False},
        "notifications": {
            "notification_format": "both",
            "notify_on_state_change": "vm_and_task_state",
            "versioned_notifications_topics": "versioned_notifications",
        },
        "vnc": {"enabled": False},
        "glance": {
            "api_servers": settings.api_url("glance"),
            "num_retries": 1,
        },
        "keystone_authtoken": ini.authtoken("nova"),
        "service_user": ini.regional("nova")
        | {"send_service_user_token": True},
        "placement": ini.regional("nova"),
        "neutron": ini.regional("nova") | {"service_metadata_proxy": False},
        **({"cinder": _cinder()} if settings.FULL else {}),
        **ini.messaging(),
    }


def _cinder() -> dict[str, object]:
    return ini.regional("nova") | {
        "catalog_info": "block-storage::publicURL",
    }


def seed() -> None:
    """A flavor `tiny`: 64 MiB, 1 vCPU, 1 GB."""
    cloud = Cloud()
    if any(
        flavor["name"] == "tiny"
        for flavor in cloud("nova", "GET", "/flavors")["flavors"]
    ):
        return
    cloud(
        "nova",
        "POST",
        "/flavors",
        {"flavor": {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}},
    )


def racks() -> None:
    """An aggregate for each rack, with its metadata; what exists is kept."""
    cloud = Cloud()
    rows = cloud("nova", "GET", "/os-aggregates")["aggregates"]
    found = {row["name"]: row for row in rows}
    for rack, members in settings.RACKS.items():
        one = found.get(rack)
        if one is None:
            body = {"aggregate": {"name": rack}}
            one = cloud("nova", "POST", "/os-aggregates", body)["aggregate"]
            one |= {"hosts": [], "metadata": {}}
        path = f"/os-aggregates/{one['id']}/action"
        if one["metadata"].get("rack") != rack:
            change = {"set_metadata": {"metadata": {"rack": rack}}}
            cloud("nova", "POST", path, change)
        for host in set(members) - set(one["hosts"]):
            cloud("nova", "POST", path, {"add_host": {"host": host}})


FORKS = "nova-compute-forks"
"""Each host is a fork of it: loading Nova takes most of a start."""


def compute(host: str) -> Service:
    """The nova-compute that is `host`."""
    return Service(
        name=hosts.compute_name(host),
        argv=[
            "nova-compute",
            f"--config-file={CONF}",
            f"--config-file={ETC / host}.conf",
        ],
        fork_of=FORKS,
        healthy=nova_says_up("nova-compute", host),
        # A host that a test left forced down is never called up; lab.up()
        # waits for the hosts by readiness.ready(), which lifts that.
        started=lambda: True,
        after=[
            FORKS,
            "rabbitmq",
            "keystone",
            "catalogue",
            "placement",
            *[service.name for service in link.of(host)],
        ],
        before_start=lambda: hosts.mark_on(host),
        grace=0,  # a host that stops does not say goodbye
    )


def _forks() -> bool:
    process.answering(FORKS).close()
    return True


def _manage(*words: str) -> list[str]:
    return [str(settings.BIN / "nova-manage"), f"--config-file={CONF}", *words]


SETUPS = [
    Setup(
        name="nova api db",
        commands=[_manage("api_db", "sync")],
        after=["mariadb"],
        tables=True,
    ),
    Setup(
        name="nova db",
        commands=[_manage("db", "sync", "--local_cell")],
        after=["mariadb"],
        tables=True,
    ),
    Setup(
        name="nova cell0 db",
        commands=[
            _manage(f"--config-file={CELL0}", "db", "sync", "--local_cell")
        ],
        after=["mariadb"],
        tables=True,
    ),
    Setup(
        name="nova cells",
        commands=[
            _manage(
                "cell_v2",
                "map_cell0",
                f"--database_connection={settings.db_url('nova_cell0')}",
            ),
            _manage("cell_v2", "create_cell", "--name=cell1"),
        ],
        after=["mariadb"],
    ),
    Setup(name="flavor", call=seed, after=["nova-api", "catalogue"]),
]

FINISH = (
    [Setup(name="racks", call=racks, after=["hosts ready"])]
    if settings.FULL
    else []
)

# Keystone and its catalogue too: each of them logs in while it starts, and
# ends when that is refused.
_FIRST = [
    "mariadb",
    "memcached",
    "rabbitmq",
    "nova cells",
    "keystone",
    "catalogue",
]


def _daemon(name: str) -> Service:
    return Service(
        name=name,
        argv=[str(settings.BIN / name), f"--config-file={CONF}"],
        healthy=nova_says_up(name, CONTROLLER),
        after=_FIRST,
        grace=5,
    )


SERVICES = [
    api(
        "nova-api",
        "counted_nova_api",
        threads=16,
        after=_FIRST,
        env={
            "OS_NOVA_CONFIG_DIR": str(ETC),
            "HA_LAB_NOVA_CALLS": str(settings.NOVA_CALLS),
        },
    ),
    _daemon("nova-conductor"),
    _daemon("nova-scheduler"),
    Service(
        name=FORKS,
        argv=[
            str(settings.BIN / "python"),
            str(settings.PLUGINS / "nova_compute.py"),
            str(process.door(FORKS)),
        ],
        healthy=_forks,
        grace=0,
    ),
    *[compute(host) for host in settings.HOSTS],
]
