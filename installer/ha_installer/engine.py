"""The real Mistral in this process: no broker, no Keystone, SQLite.

For drills, tests and the day when the cloud's Mistral is down. Engine and
executor are Mistral's own services, joined by oslo.messaging's ``fake://``;
actions are found through their entry points, as in production.

Source: mistral 23.0.0, ``mistral/cmd/launch.py`` and
``mistral/tests/unit/engine/base.py``, for what must be set up, and in which
order.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ha_actions.errors import BadInput

from ha_installer.engine_executions import EngineExecutions
from ha_installer.engine_ledger import EngineLedger

POLL_S = 0.02
"""How often an execution's state is read while one waits for it."""
ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "PAUSED"})
_TALKERS = (
    "mistral",
    "mistral_lib",
    "workflow_trace",
    "oslo",
    "oslo_messaging",
    "oslo_service",
    "oslo_db",
    "stevedore",
    "sqlalchemy",
    "futurist",
)
_only_one = threading.Lock()
_opened_with: list[str] = []


@dataclass(frozen=True)
class Ended:
    """How an execution ended; ``state`` is Mistral's word.

    ``RUNNING``: it had not ended when the time was up.
    """

    state: str
    output: dict[str, Any]
    info: str


@dataclass(frozen=True)
class TaskState:
    """One task of an execution, or of an execution under it."""

    name: str
    state: str
    workflow: str
    execution: str


class EmbeddedEngine:
    """Mistral's engine and one executor, for as long as it is open.

    One at a time in a process, since Mistral's state is the process's own.
    A database in memory is empty at each opening.

    :param db: a SQLAlchemy URL; a SQLite file must not be shared.
    :param quiet: keep Mistral's log lines to itself.
    :raises BadInput: when it is opened: Mistral is not installed, another
        one is open, or the process already works in eventlet's way.
    """

    def __init__(self, db: str = "sqlite://", *, quiet: bool = True) -> None:
        self._db = db
        self._quiet = quiet
        self._services: list[Any] = []
        self._check_schema: Any = None
        self._closed = threading.Event()

    def __enter__(self) -> EmbeddedEngine:
        if not _only_one.acquire(blocking=False):
            raise BadInput(
                "engine_open",
                "An embedded engine is open in this process already; close "
                "it first.",
            )
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closed.set()
        if self._services:
            from oslo_config import cfg

            # Actions that still run will answer nobody: else each keeps the
            # process alive for a minute.
            cfg.CONF.set_override("rpc_response_timeout", 1)
        # The executor first, and without waiting for actions; the engine
        # then answers whom it has heard: else they wait a minute for it.
        for service, graceful in zip(
            self._services, (False, True), strict=False
        ):
            service.stop(graceful=graceful)
        self._services.clear()
        self._skip_meta_schema(False)
        _only_one.release()

    # -- workbooks and executions ---------------------------------------
    def load(self, workbook_text: str) -> None:
        """Create the workbook, or replace the one of its name.

        :raises BadInput: Mistral refuses it; the message is Mistral's.
        """
        from mistral import exceptions
        from mistral.services import workbooks

        self._context()
        try:
            try:
                workbooks.create_workbook_v2(workbook_text)
            except exceptions.DBDuplicateEntryError:
                workbooks.update_workbook_v2(workbook_text)
        except exceptions.MistralException as e:
            raise BadInput(
                "workbook_refused", f"Mistral refuses the workbook: {e}"
            ) from e

    def start(
        self,
        workflow: str,
        inputs: Mapping[str, Any],
        execution_id: str | None = None,
        project: str = "operator",
        env: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> str:
        """Start an execution and give its id; an id that exists is it.

        ``project`` is what actions see as ``context.security.project_id``,
        ``env`` what expressions read by ``env()``, ``token`` what tenants'
        actions work with.

        :raises BadInput: no such workflow, or its inputs do not fit.
        """
        from mistral import exceptions
        from mistral.rpc import clients

        self._context(project, token)
        try:
            execution = clients.get_engine_client().start_workflow(
                workflow,
                wf_input=dict(inputs),
                wf_ex_id=execution_id,
                **({"env": dict(env)} if env else {}),
            )
        except exceptions.MistralException as e:
            raise BadInput(
                "workflow_refused", f"Mistral does not start {workflow}: {e}"
            ) from e
        return str(execution["id"])

    def wait(self, execution_id: str, timeout_s: float) -> Ended:
        """Wait for the end, at most so long (real seconds)."""
        until = time.monotonic() + timeout_s
        while self.state(execution_id) not in ENDED:
            if time.monotonic() >= until or self._closed.wait(POLL_S):
                break
        return self._ended(execution_id)

    def state(self, execution_id: str) -> str:
        """Mistral's word for its state; ``""`` if there is none."""
        from mistral.db.v2 import api as db_api

        self._context()
        found = db_api.get_workflow_executions(
            id=execution_id, fields=("id", "state")
        )
        return str(found[0].state) if found else ""

    def tasks(self, execution_id: str) -> list[TaskState]:
        """Its tasks and those of executions under it, oldest first."""
        from mistral.db.v2 import api as db_api

        self._context()
        fields = ("name", "state", "workflow_name", "workflow_execution_id")
        with db_api.transaction(read_only=True):
            ids = [execution_id] + [
                e.id
                for e in db_api.get_workflow_executions(
                    root_execution_id=execution_id, fields=("id",)
                )
            ]
            rows = db_api.get_task_executions(
                workflow_execution_id={"in": ids},
                sort_keys=["created_at"],
                fields=fields,
            )
            return [TaskState(r[0], r[1], r[2], r[3]) for r in rows]

    def cancel(self, execution_id: str) -> None:
        """Stop it; actions that run go on, and nobody hears them."""
        from mistral.rpc import clients

        self._context()
        clients.get_engine_client().stop_workflow(execution_id, "CANCELLED")

    def ledger(self) -> EngineLedger:
        """The ledger kept in this engine's own database."""
        return EngineLedger(self._context)

    def executions(self) -> EngineExecutions:
        """What runs in it."""
        return EngineExecutions(self._context)

    # -- inside ------------------------------------------------------------
    def _open(self) -> None:
        if self._quiet:
            _hush()
        _choose_threads()
        if _opened_with and _opened_with != [self._db]:
            raise BadInput(
                "engine_database",
                "The embedded engine cannot change its database within one "
                "process; start another process.",
            )
        again = bool(_opened_with)
        if not again:
            _configure(self._db)
            _opened_with.append(self._db)
        from mistral.db.v2 import api as db_api
        from mistral.engine import engine_server
        from mistral.executors import base as executors
        from mistral.executors import executor_server
        from mistral.rpc import base as rpc
        from mistral.rpc import clients
        from oslo_config import cfg

        clients.cleanup()
        rpc.cleanup()
        executors.cleanup()
        self._skip_meta_schema(True)
        self._context()
        if again and self._db == "sqlite://":
            db_api.drop_db()
        db_api.setup_db()
        for server in (executor_server, engine_server):
            service = server.get_oslo_service(setup_profiler=False)
            self._services.append(service)
            service.start()
        for service in self._services:
            service.wait_started()
        clients.get_engine_client()  # registers the option
        cfg.CONF.set_override("rpc_response_timeout", 60)

    def _context(
        self, project: str = "operator", token: str | None = None
    ) -> None:
        """Mistral wants a security context in every thread that calls it."""
        from mistral import context

        context.set_ctx(
            context.MistralContext(
                user_id="embedded",
                project_id=project,
                auth_token=token,
                is_admin=True,
            )
        )

    def _skip_meta_schema(self, skip: bool) -> None:
        """Do not check Mistral's own, constant schemas each time.

        Only the check of the *schemas* against JSON Schema's meta-schema is
        left out, here alone: it costs seconds for our book and can find
        nothing. Workbooks are checked against the schemas as ever.
        """
        if not skip and self._check_schema is None:
            return
        import jsonschema

        # A schema without `$schema`, as Mistral's are, gets this one.
        validator = jsonschema.validators.validator_for({})
        if skip:
            self._check_schema = validator.__dict__["check_schema"]
            validator.check_schema = classmethod(lambda cls, schema, **k: None)
        else:
            validator.check_schema = self._check_schema
            self._check_schema = None

    def _ended(self, execution_id: str) -> Ended:
        from mistral.db.v2 import api as db_api

        self._context()
        with db_api.transaction(read_only=True):
            found = db_api.load_workflow_execution(execution_id)
            if found is None:
                raise BadInput(
                    "no_execution", f"There is no execution {execution_id}."
                )
            return Ended(
                str(found.state),
                dict(found.output or {}),
                str(found.state_info or ""),
            )


def _choose_threads() -> None:
    """Make oslo.service work with threads, before Mistral is imported.

    Whoever comes first decides, for the whole process: without this, the
    first import of a Mistral module chooses eventlet.
    """
    try:
        from oslo_service import backend
    except ImportError as e:
        raise BadInput(
            "engine_missing",
            "The embedded engine needs Mistral, which is not installed here; "
            "install it with: pip install 'mistral-ha-pack[engine]'.",
        ) from e
    try:
        backend.init_backend(backend.BackendType.THREADING)
    except backend.exceptions.BackendAlreadySelected as e:
        if backend.get_backend_type() == backend.BackendType.THREADING:
            return
        raise BadInput(
            "engine_eventlet",
            "The embedded engine cannot open: something in this process "
            "chose eventlet for oslo.service; open the engine first.",
        ) from e


def _hush() -> None:
    # Deprecations inside Mistral and its libraries are not our users' news.
    for module in _TALKERS:
        warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    warnings.filterwarnings("ignore", message=".*Can't sort tables for DROP")
    for name in _TALKERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())


def _configure(db: str) -> None:
    """Set Mistral's options; nothing is read from files.

    :raises BadInput: Mistral is not installed.
    """
    try:
        from mistral import config  # registers the options
    except ImportError as e:
        raise BadInput(
            "engine_missing",
            "The embedded engine needs Mistral, which is not installed here; "
            "install it with: pip install 'mistral-ha-pack[engine]'.",
        ) from e
    import mistral.db.sqlalchemy.base  # noqa: F401  registers [database]
    import oslo_messaging
    from oslo_messaging import server

    conf = config.CONF
    conf([], "mistral", default_config_files=[], default_config_dirs=[])
    oslo_messaging.get_rpc_transport(conf, url="fake://")  # registers more
    conf.register_opts(server._pool_opts)  # else only once a server exists
    options: dict[str | None, dict[str, Any]] = {
        None: {
            "transport_url": "fake://",
            "scheduler_type": "default",
            "executor_thread_pool_size": 64,
        },
        "database": {"connection": db},
        # `local` would run actions one after another.
        "executor": {"type": "remote"},
        "notifier": {"type": "local"},
        "pecan": {"auth_enable": False},
        "scheduler": {"fixed_delay": 0.1},
        # Else a timer of the heartbeat checker keeps the process alive for
        # five minutes. Here executor and engine die together anyway.
        "action_heartbeat": {"check_interval": 0},
        # They import every OpenStack client, and the pack needs none.
        "legacy_action_provider": {"load_action_generators": False},
    }
    if db.startswith("sqlite"):
        options["database"] |= {"max_pool_size": 1000, "max_overflow": -1}
    for group, values in options.items():
        for name, value in values.items():
            conf.set_override(name, value, group=group)
