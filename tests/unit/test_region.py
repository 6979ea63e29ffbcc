"""A cloud of clouds.yaml: nobody waits for its Keystone for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ha_actions import executor_file
from ha_actions.adapters.cloud.region import PATIENCE_S, region_of
from ha_installer import clouds, confirm_cli
from unit.fake_openstack import KEYSTONE, keystone


@pytest.fixture(params=[None, 7])
def told(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """What clouds.yaml says of time, if anything."""
    auth = {
        "auth_url": KEYSTONE,
        "username": "ha",
        "password": "hush",
        "project_name": "ops",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    one: dict[str, Any] = {"region_name": "R1", "auth": auth}
    if request.param:
        one["api_timeout"] = request.param
    path = tmp_path / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {"ops": one}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return request.param


@pytest.mark.parametrize(
    "ask",
    [
        lambda: region_of("ops").get_session().get_token(),
        lambda: executor_file.mistral_of("ops").get_endpoint(),
        lambda: clouds.service("ops", "alarm", "Aodh"),
        lambda: confirm_cli.person("ops"),
    ],
    ids=["region", "executor", "shell", "person"],
)
def test_a_token_is_waited_for_so_long(
    told: Any, requests_mock: Any, ask: Callable[[], Any]
) -> None:
    keystone(requests_mock)
    ask()
    asked = [r for r in requests_mock.request_history if r.method == "POST"]
    assert asked
    assert {r.timeout for r in asked} == {told or PATIENCE_S}
