"""Mistral's real API alone, on SQLite: ``mistral_api.py FOLDER``.

In a process of its own, since Mistral keeps its configuration and database in
globals. Prints the port when it listens.
"""

from __future__ import annotations

import socketserver
import sys
from wsgiref import simple_server

import oslo_service.backend

oslo_service.backend.init_backend(oslo_service.backend.BackendType.THREADING)

import oslo_messaging  # noqa: E402
from mistral import config  # noqa: E402
from mistral.api import app  # noqa: E402
from mistral.db.v2 import api as db_api  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log  # noqa: E402


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """One thread for each request."""

    daemon_threads = True
    request_queue_size = 64


class Quiet(simple_server.WSGIRequestHandler):
    """No access log."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main(folder: str) -> None:
    """Serve until killed."""
    conf = cfg.CONF
    assert config  # importing it registers Mistral's options
    log.register_options(conf)
    conf([], project="mistral", default_config_files=[])
    oslo_messaging.get_rpc_transport(conf, url="fake://")
    conf.set_override("transport_url", "fake://")
    database = f"sqlite:///{folder}/mistral.db"
    conf.set_override("connection", database, group="database")
    conf.set_override("auth_enable", False, group="pecan")
    conf.set_override("enabled", False, group="cron_trigger")
    db_api.setup_db()
    server = simple_server.make_server(
        "127.0.0.1", 0, app.setup_app(), Server, Quiet
    )
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
