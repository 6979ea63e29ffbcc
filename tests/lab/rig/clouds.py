"""clouds.yaml for openstacksdk: `lab` is the operator, `lab-tenant` an owner
of servers.
"""

from __future__ import annotations

from rig import settings

_CLOUD = """\
  {cloud}:
    region_name: {region}
    compute_api_version: "2.1"
    auth:
      auth_url: {url}
      username: {user}
      password: {password}
      project_name: {project}
      user_domain_name: Default
      project_domain_name: Default
"""

_WHO = {"lab": ("admin", "admin"), "lab-tenant": ("demo", "demo")}


def write() -> None:
    """Write it anew; anything that changed it by hand is lost."""
    entries = [
        _CLOUD.format(
            cloud=cloud,
            region=settings.REGION,
            url=settings.KEYSTONE_URL,
            user=user,
            password=settings.PASSWORD,
            project=project,
        )
        for cloud, (user, project) in _WHO.items()
    ]
    settings.CLOUDS_YAML.write_text("clouds:\n" + "".join(entries))
