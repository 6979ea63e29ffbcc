"""Ceilometer's notification agent: what Nova tells becomes events for Aodh's
listener, by the pack's own drop-in files; no meters (full lab).
"""

from __future__ import annotations

import shutil

from rig import ini, process, settings
from rig.service import Service
from rig.services import aodh

ETC = settings.ETC / "ceilometer"
CONF = ETC / "ceilometer.conf"
NAME = "ceilometer-agent-notification"
DEFINITIONS, PIPELINE = "event_definitions.yaml", "event_pipeline.yaml"
OURS = settings.CHECKOUT / "alarms" / "settings"


def configure() -> None:
    """ceilometer.conf, the pipeline, and the event definitions: Ceilometer's
    own and then the pack's, as its drop-in file says.
    """
    ETC.mkdir(parents=True, exist_ok=True)
    shipped = next(
        settings.AODH_VENV.glob(
            f"lib/python3*/site-packages/ceilometer/pipeline/data/{DEFINITIONS}"
        )
    )
    (ETC / DEFINITIONS).write_text(
        shipped.read_text() + "\n" + (OURS / DEFINITIONS).read_text()
    )
    shutil.copyfile(OURS / PIPELINE, ETC / PIPELINE)
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                "event_pipeline_cfg_file": ETC / PIPELINE,
            },
            "notification": {
                "pipelines": "event",
                "workers": 1,
                "notification_control_exchanges": "nova",
            },
            "event": {"definitions_cfg_file": ETC / DEFINITIONS},
            **ini.messaging(),
            "oslo_messaging_notifications": {
                "driver": "messagingv2",
                "topics": ("notifications", "versioned_notifications"),
            },
        },
    )


SERVICES = [
    Service(
        name=NAME,
        argv=[str(settings.AODH_BIN / NAME), f"--config-file={CONF}"],
        healthy=lambda: process.connected(NAME, settings.PORTS["rabbitmq"]),
        after=["rabbitmq"],
        env=aodh.ENV,
        grace=5,
    )
]
