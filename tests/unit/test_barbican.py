"""Secrets by reference: Barbican at the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from ha_actions.adapters.barbican import FRESH_S, Barbican
from ha_actions.errors import BadInput, Transient
from ha_actions.fencing.fence_file import check, fences_of
from keystoneauth1 import adapter, noauth, session
from unit.fakes import Clock

URL = "http://barbican.test"
ID = "11112222-3333-4444-5555-666677778888"
PAYLOAD = f"{URL}/v1/secrets/{ID}/payload"


def vault(clock: Clock) -> Callable[[str], str]:
    def made() -> Any:
        plain = session.Session(auth=noauth.NoAuth(endpoint=URL))
        return adapter.Adapter(
            plain, endpoint_override=URL, raise_exc=False, connect_retries=0
        )

    return Barbican(made, clock).secret


def test_it_is_read_and_kept_for_a_minute(requests_mock: Any) -> None:
    clock = Clock()
    read = vault(clock)
    requests_mock.get(PAYLOAD, [{"text": "hush\n"}, {"text": "new"}])
    assert (read(ID), read(ID)) == ("hush", "hush")
    assert requests_mock.call_count == 1
    assert requests_mock.last_request.headers["Accept"] == "text/plain"
    clock.sleep(FRESH_S)
    assert read(ID) == "new"


@pytest.mark.parametrize(
    "answer",
    [{"status_code": 503}, {"exc": requests.ConnectTimeout}],
)
def test_the_night_barbican_is_down(
    requests_mock: Any, answer: dict[str, Any]
) -> None:
    clock = Clock()
    read = vault(clock)
    requests_mock.get(PAYLOAD, [{"text": "hush"}, answer])
    assert read(ID) == "hush"
    clock.sleep(86400)
    assert read(ID) == "hush"
    with pytest.raises(Transient):
        vault(clock)(ID)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_may_not_be_read(requests_mock: Any, status: int) -> None:
    requests_mock.get(PAYLOAD, status_code=status)
    with pytest.raises(BadInput, match=f"{status} for the secret {ID}"):
        vault(Clock())(ID)


def test_a_reference_that_is_none(requests_mock: Any) -> None:
    with pytest.raises(BadInput, match="no secret's UUID"):
        vault(Clock())("bmc-password")
    assert not requests_mock.called


def test_in_the_fence_file(tmp_path: Path, requests_mock: Any) -> None:
    path = tmp_path / "fences.yaml"
    path.write_text(
        "c1:\n  - kind: redfish\n    address: https://bmc.test\n"
        f"    system: '1'\n    username: u\n    password: barbican:{ID}\n"
    )
    path.chmod(0o600)
    clock = Clock()
    check(str(path), clock)
    assert not requests_mock.called, "read when it is needed"
    requests_mock.get(PAYLOAD, text="hush")
    requests_mock.get("https://bmc.test/redfish/v1/Systems/1", json={})
    (fence,) = fences_of(str(path), clock, "c1", vault(clock))
    fence.power()
    sent = requests_mock.last_request.headers["Authorization"]
    assert sent == requests.auth._basic_auth_str("u", "hush")
