"""A connection of ours into an owner's project: what is made is his."""

from __future__ import annotations

from typing import Any

import openstack.exceptions as sdk_errors
from keystoneauth1 import exceptions as auth_errors

from ha_actions.errors import Refused, Transient


def in_project(mine: Any, project: str) -> Any:
    """A connection of ours into the owner's project."""
    try:
        if mine.current_project_id == project:
            return mine
        made = mine.connect_as_project({"id": project})
        made._global_request_id = mine._global_request_id
        made.session.get_token()
    except (
        auth_errors.Unauthorized,
        auth_errors.Forbidden,
        auth_errors.NotFound,
    ) as error:
        raise Refused(
            "forbidden",
            "Keystone does not let us work in the server's project "
            f"{project}; give the executor's user the role admin there "
            "(an inherited assignment on the domain does it for all).",
        ) from error
    except (
        auth_errors.ClientException,
        sdk_errors.SDKException,
    ) as error:
        raise Transient(
            "api",
            "Keystone did not give us a token for the server's project "
            f"{project} ({type(error).__name__}).",
        ) from error
    return made
