"""A cloud of ``clouds.yaml``, for the executors and for people's shells."""

from __future__ import annotations

from typing import Any

import openstack
from keystoneauth1 import adapter
from openstack import exceptions

from ha_actions.errors import BadInput

PATIENCE_S = (5.0, 90.0)
"""For a connection, and for an answer, of calls that have no time-out of their
own: above all for a token, which would wait for a dark network for minutes."""


def region_of(name: str | None) -> Any:
    """Its region, whose session waits for nothing for ever.

    :param name: None: the one that openstacksdk takes by itself.
    :raises BadInput: there is no such cloud.
    """
    try:
        found = openstack.config.OpenStackConfig(
            app_name="mistral-ha-pack"
        ).get_one(cloud=name)
        session = found.get_session()
    except exceptions.SDKException as error:
        raise BadInput(
            "no_cloud",
            f"clouds.yaml has no usable cloud {name!r} ({error}); check the "
            "name, and where clouds.yaml lies.",
        ) from error
    if session.timeout is None:  # clouds.yaml: api_timeout
        session.timeout = PATIENCE_S
    return found


def api_at(region: Any, service: str) -> adapter.Adapter:
    """The API of a service there; no call is repeated, no status raises.

    :param service: its type in the catalogue: ``workflow``, ``alarm``, ...
    """
    return adapter.Adapter(
        region.get_session(),
        service_type=service,
        interface=region.get_interface(service),
        region_name=region.get_region_name(service),
        endpoint_override=region.get_endpoint(service),
        raise_exc=False,
        connect_retries=0,
    )
