"""All metadata of mistral-ha-pack. A top-level folder is one process's.

Plain setuptools: pbr cannot map folders to packages.
"""

from setuptools import setup

ACTIONS = [
    "open_incident",
    "assess_host",
    "drain_members",
    "fence_host",
    "make_plan",
    "plan_ahead",
    "evacuate_servers",
    "recreate_servers",
    "move_volumes",
    "update_members",
    "fail_over_balancers",
    "repair_stacks",
    "retire_servers",
    "await_ready",
    "await_owner",
    "record_failure",
    "verify",
    "close_incident",
    "end_stuck",
    "find_unfinished",
    "strike_host",
    "tell_owners",
    "open_instance_failure",
    "restart_instance",
    "close_instance_failure",
    "find_open_failures",
    "answer",
    "look_around",
    "find_returned",
    "assess_return",
    "readmit_host",
    "rehearse_fences",
    "renew_fences",
    "tell_server_owner",
    "tell_late",
]

OWN = [
    "drain_members",
    "copy_server",
    "add_members",
    "retire_server",
]
"""For tenants' workflows, with the caller's token."""


def action(name: str, prefix: str = "ha", folder: str = "steps") -> str:
    """The entry point of one action: module and class by convention."""
    cls = "".join(part.capitalize() for part in name.split("_"))
    return f"{prefix}.{name} = ha_actions.{folder}.{name}:{cls}"


setup(
    name="mistral-ha-pack",
    version="0.1.0",
    description="When a compute host dies, every tenant VM gets what its "
    "owner chose, and never runs twice.",
    license="Apache-2.0",
    python_requires=">=3.10",
    package_dir={
        "ha_actions": "actions/ha_actions",
        "ha_alarms": "alarms/ha_alarms",
        "ha_installer": "installer/ha_installer",
        "ha_installer.workbooks": "workbooks",
        "ha_installer.alarms": "alarms",
    },
    packages=[
        "ha_actions",
        "ha_actions.model",
        "ha_actions.deciders",
        "ha_actions.records",
        "ha_actions.asking",
        "ha_actions.fencing",
        "ha_actions.adapters",
        "ha_actions.adapters.cloud",
        "ha_actions.fences",
        "ha_actions.witnesses",
        "ha_actions.step_parts",
        "ha_actions.steps",
        "ha_actions.own",
        "ha_actions.sim",
        "ha_alarms",
        "ha_installer",
        "ha_installer.workbooks",
        "ha_installer.alarms",
    ],
    package_data={
        "ha_installer": ["*.j2", "*.yaml"],
        "ha_installer.workbooks": ["*.yaml"],
        "ha_installer.alarms": [
            "*.yaml",
            "settings/*",
            "systemd/*",
            "examples/*",
        ],
    },
    install_requires=[
        "mistral-lib>=3.0",
        "openstacksdk>=4.0",
        "sushy>=5.0",
        "cryptography>=42",
        "oslo.log>=6.0",
        "PyYAML>=6.0",
        "yaql>=3.0",
    ],
    extras_require={
        "operator": ["rich>=13", "jinja2>=3"],
        # what Aodh has already; only a bridge of its own needs them named
        "bridge": ["cachetools>=4", "keystoneauth1>=5", "tenacity>=8"],
        "watch": ["oslo.messaging>=14", "prometheus_client", "tooz>=4"],
        "beat": ["tooz>=4"],
        "engine": ["mistral>=20,<24", "rich>=13", "jinja2>=3"],
        "test": [
            "pytest",
            "setuptools",
            "wheel",
            "hypothesis",
            "requests-mock",
            "pytest-xdist",
            "ruff",
            "mypy",
            "yamllint",
            "types-PyYAML",
            "build",
            "sushy-tools",
            "cachetools",
            "tenacity",
            "jsonschema",
            "pyghmi",
            "bcrypt",
            "tooz>=4",
            "pymemcache",
            "prometheus_client",
        ],
    },
    entry_points={
        "mistral.actions": [
            *(action(name) for name in ACTIONS),
            *(action(name, "ha.own", "own") for name in OWN),
        ],
        "ha_actions.fences": [
            "redfish = ha_actions.fences.redfish:RedfishFence",
            "ipmi = ha_actions.fences.ipmi:IpmiFence",
            "fence_agent = ha_actions.fences.fence_agent:FenceAgent",
            "switch_port = ha_actions.fences.switch_port:SwitchPort",
            "ironic = ha_actions.fences.ironic:IronicFence",
            "ceph_blocklist = ha_actions.fences.ceph_blocklist:CephBlocklist",
            "scsi_reservation = "
            "ha_actions.fences.scsi_reservation:ScsiReservation",
            "rehearsal = ha_actions.fences.rehearsal:RehearsalFence",
        ],
        "ha_actions.witnesses": [
            "compute_service = "
            "ha_actions.witnesses.compute_service:ComputeService",
            "bmc_power = ha_actions.witnesses.bmc_power:BmcPower",
            "tcp_reach = ha_actions.witnesses.tcp_reach:TcpReach",
            "icmp_reach = ha_actions.witnesses.icmp_reach:IcmpReach",
            "neutron_agents = "
            "ha_actions.witnesses.neutron_agents:NeutronAgents",
            "tooz_beat = ha_actions.witnesses.tooz_beat:ToozBeat",
            "kdump = ha_actions.witnesses.kdump:Kdump",
        ],
        "aodh.notifier": [
            "trust+mistral = ha_alarms.notifier:TrustMistralNotifier",
        ],
        "console_scripts": [
            "ha-pack = ha_installer.cli:main",
            "ha-watch = ha_alarms.watch:main",
            "ha-beat = ha_alarms.beat:main",
        ],
    },
)
