"""How each API is served: one uWSGI master with one threaded worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rig import settings
from rig.service import Service, http


def api(
    name: str,
    module: str,
    threads: int,
    after: Sequence[str],
    env: Mapping[str, str],
    health: str = "/",
    more: Sequence[str] = (),
    venv: Path = settings.VENV,
) -> Service:
    """An API behind `module:application` on the port of its name."""
    port = settings.PORTS[name]
    argv = [
        str(venv / "bin" / "uwsgi"),
        f"--http-socket={settings.LISTEN}:{port}",
        f"--module={module}:application",
        f"--virtualenv={venv}",
        "--master",
        "--processes=1",
        f"--threads={threads}",
        "--enable-threads",
        "--lazy-apps",
        "--need-app",
        "--die-on-term",
        "--no-orphans",
        "--buffer-size=65535",
        "--listen=100",
        "--http-chunked-input",  # an image upload has no length
        # http-socket keeps no connection alive, so it must say so
        "--add-header=Connection: close",
        "--disable-logging",
        "--worker-reload-mercy=1",
        *more,
    ]
    return Service(
        name=name,
        argv=argv,
        healthy=http(port, health),
        port=port,
        after=after,
        env=env,
        grace=8,
    )
