"""A cloud by the token of an execution, as it is, and by nothing else.

A trust's token can neither be exchanged for another one nor ask Keystone
about itself (403), so what Mistral's API heard from Keystone goes with it:
its project, its end and the catalogue.
Source: mistral 23, context.py, MistralContext.from_environ; keystoneauth1,
identity/access.py.
"""

from __future__ import annotations

from typing import Any

from keystoneauth1 import access
from keystoneauth1.identity.access import AccessInfoPlugin
from openstack import connection as sdk_connection
from openstack.config import cloud_region

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.region import PATIENCE_S
from ha_actions.errors import Refused
from ha_actions.model.caller import Caller
from ha_actions.ports import Clock

SPARE_S = 30.0
"""Seconds before its end from which a token is not begun with."""

SECRETS = frozenset({"auth", "auth_type", "passcode", "password"})
"""Keys of a cloud of ``clouds.yaml`` that are somebody's credentials."""


class Tokens:
    """Connections by callers' tokens.

    :param region: the executor's own cloud: where services are, and whose
        certificates count. Its credentials are left out.
    """

    def __init__(self, region: Any, clock: Clock) -> None:
        self._name = region.name
        self._region = region.region_name
        self._places = {
            key: value
            for key, value in region.config.items()
            if key not in SECRETS
        }
        self._clock = clock

    def connection(self, caller: Caller) -> Any:
        """An ``openstack.connection.Connection``; nothing is asked yet.

        :raises Refused: ``no_token``, ``token_expired``, ``foreign_cloud``
            or ``no_catalog``.
        """
        self._check(caller)
        known = access.AccessInfoV3(
            body={"token": dict(caller.catalog)}, auth_token=caller.token
        )
        if known.project_id != caller.project or not known.service_catalog:
            raise Refused(
                "no_catalog",
                "The execution's context has no service catalogue for its "
                "project; Mistral's API must hear it from Keystone "
                "(include_service_catalog in [keystone_authtoken]).",
            )
        config = cloud_region.CloudRegion(
            name=self._name,
            region_name=caller.region or self._region,
            config=dict(self._places),
            auth_plugin=AccessInfoPlugin(known, caller.keystone or None),
            app_name="mistral-ha-pack",
        )
        session = config.get_session()
        if session.timeout is None:
            session.timeout = PATIENCE_S
        return sdk_connection.Connection(config=config)

    def _check(self, caller: Caller) -> None:
        if caller.elsewhere:
            raise Refused(
                "foreign_cloud",
                "This execution names another cloud (X-Target-Auth-Uri); "
                "ha.own actions work in the cloud of this Mistral only.",
            )
        if not caller.token or not caller.project:
            raise Refused(
                "no_token",
                "The execution has no token any more: Mistral loses it when "
                "an executor dies; start the workflow again.",
            )
        ends = values.moment(caller.expires_at)
        if ends and self._clock.now() > ends - SPARE_S:
            raise Refused(
                "token_expired",
                f"The execution's token ended at {caller.expires_at}, and "
                "nobody can renew it; start the workflow again.",
            )
