"""Mistral's real API on SQLite: ``mistral_api.py FOLDER [engine]``.

Alone, or with an engine and an executor behind it, in one process. Every
call is of the project ``operator``.

In a process of its own, since Mistral keeps its configuration and database in
globals. Prints the port when it listens.
"""

from __future__ import annotations

import socketserver
import sys
from typing import Any
from wsgiref import simple_server

import oslo_service.backend

oslo_service.backend.init_backend(oslo_service.backend.BackendType.THREADING)

import jsonschema  # noqa: E402
import oslo_messaging  # noqa: E402
from mistral import config  # noqa: E402
from mistral.api import app  # noqa: E402
from mistral.db.v2 import api as db_api  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log  # noqa: E402

PAGE = 40
"""Rows that one answer has at most; Mistral's own default is 1000."""


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """One thread for each request."""

    daemon_threads = True
    request_queue_size = 64


class Quiet(simple_server.WSGIRequestHandler):
    """No access log."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def as_operator(whole: Any) -> Any:
    """Without Keystone Mistral takes the project from a header."""

    def one(environ: dict[str, Any], start: Any) -> Any:
        environ["HTTP_X_PROJECT_ID"] = "operator"
        return whole(environ, start)

    return one


def skip_meta_schema() -> None:
    """Mistral's own constant schemas are not checked again and again.

    It costs seconds for each workbook; the book itself is checked as ever.
    """
    validator = jsonschema.validators.validator_for({})
    validator.check_schema = classmethod(lambda cls, schema, **k: None)


def start_engine() -> None:
    """Mistral's own services, joined to the API by ``fake://``."""
    from mistral import context
    from mistral.engine import engine_server
    from mistral.executors import executor_server

    cfg.CONF.set_override("type", "remote", group="executor")
    context.set_ctx(
        context.MistralContext(
            user_id="u", project_id="operator", auth_token=None, is_admin=True
        )
    )
    for server in (executor_server, engine_server):
        service = server.get_oslo_service(setup_profiler=False)
        service.start()
        service.wait_started()


def main(folder: str, engine: bool) -> None:
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
    conf.set_override("max_limit", PAGE, group="api")
    conf.set_override("check_interval", 0, group="action_heartbeat")
    db_api.setup_db()
    skip_meta_schema()
    if engine:
        start_engine()
    server = simple_server.make_server(
        "127.0.0.1", 0, as_operator(app.setup_app()), Server, Quiet
    )
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], "engine" in sys.argv[2:])
