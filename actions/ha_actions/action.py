"""The one place that touches mistral_lib: context in, result out.

Any project can call any action that executors have. So an operator's action
first checks the caller's project against the executor's own file, and only
then makes its first call; a tenant's action works with the caller's token
alone, which allows what it allows.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

from mistral_lib import actions

from ha_actions.errors import HaError, Refused
from ha_actions.model import Requires
from ha_actions.model.caller import Caller
from ha_actions.outside import Outside, Own, current, use
from ha_actions.step_parts.run import Run

LOG = logging.getLogger(__name__)


@dataclass
class Answering(actions.Action):
    """What all our actions are: plain dataclasses of JSON values.

    Mistral rebuilds an action from ``vars()`` without ``__init__``; so no
    clients and no class-level constants: those live at module level.
    """

    def run(self, context: Any) -> Any:
        """Do it, and turn every ending into a Mistral result.

        An error returns as ``Result(error={kind, code, retryable, message,
        facts})``. SystemExit is caught too: Mistral takes it for SUCCESS.
        """
        try:
            return self._go(context)
        except HaError as error:
            LOG.warning("%s: %s", type(self).__name__, error.message)
            return actions.Result(error=error.as_dict())
        except (Exception, SystemExit) as error:
            LOG.exception("%s broke", type(self).__name__)
            return actions.Result(
                error={
                    "kind": "error",
                    "code": "bug",
                    "retryable": False,
                    "message": f"{type(self).__name__} broke: "
                    f"{type(error).__name__}; see the executor's log.",
                    "facts": {},
                }
            )

    def _go(self, context: Any) -> dict[str, Any]:
        raise Refused("abstract", "This is not an action by itself.")


@dataclass
class HaAction(Answering):
    """An operator's action, with the executor's own credentials."""

    def _go(self, context: Any) -> dict[str, Any]:
        return self.perform(_enter(context))

    def perform(self, run: Run) -> dict[str, Any]:
        """Do it. The result is small: ids, counts and where to go next."""
        raise Refused("abstract", "This is not an action by itself.")


@dataclass
class OwnAction(Answering):
    """A tenant's action, with the token of the execution and nothing else."""

    def _go(self, context: Any) -> dict[str, Any]:
        try:
            return self.perform(_own(context))
        except Refused as error:
            raise _in_his_words(error) from error

    def perform(self, own: Own) -> dict[str, Any]:
        """Do it, in the caller's project."""
        raise Refused("abstract", "This is not an action by itself.")


def _outside() -> Outside:
    """The process's way out; by the executor's own file, unless told."""
    found = current()
    if found is None:
        # late: what runs in a simulated world never loads a vendor's library
        from ha_actions.executor_file import from_file

        found = from_file()
        use(found)
    return found


def _caller(outside: Outside, context: Any) -> str:
    """The project that calls.

    When Mistral's heartbeat checker has given up an executor, it goes on
    with a context of its own, without a project. Then the execution's owner
    is asked for, with the executor's own credentials: they see executions of
    the operator's project, and a tenant's not.
    Source: mistral 23, services/action_heartbeat_checker.py; seen on a
    killed executor.
    """
    project = context.security.project_id
    execution = context.execution.workflow_execution_id
    if project is None and execution:
        return outside.ledger.execution_project(str(execution))
    return str(project or "")


def _enter(context: Any) -> Run:
    outside = _outside()
    project = _caller(outside, context)
    if project not in outside.operator_projects:
        outside.journal.note(
            "refusal", f"project {project}", "not_operator: nothing was asked"
        )
        raise Refused(
            "not_operator",
            "This action uses the operator's credentials, and the calling "
            "project is not in `operator_projects` of the executor's file.",
        )
    execution = context.execution
    return Run(
        outside,
        execution=str(execution.workflow_execution_id or ""),
        holder=str(execution.action_execution_id or uuid.uuid4()),
    )


def _own(context: Any) -> Own:
    """What the caller's own token reaches.

    :raises Refused: ``no_token``, ``token_expired``, ``foreign_cloud`` or
        ``no_catalog``.
    """
    outside, security = _outside(), context.security
    if outside.own is None:
        raise Refused("no_own", "Tenants' actions do not work here.")
    caller = Caller(
        project=str(getattr(security, "project_id", None) or ""),
        token=str(getattr(security, "auth_token", None) or ""),
        catalog=getattr(security, "service_catalog", None) or {},
        expires_at=str(getattr(security, "expires_at", None) or ""),
        keystone=str(getattr(security, "auth_uri", None) or ""),
        region=str(getattr(security, "region_name", None) or ""),
        elsewhere=bool(getattr(security, "is_target", None)),
        holder=str(context.execution.action_execution_id or uuid.uuid4()),
    )
    return outside.own(caller)


def _in_his_words(error: Refused) -> Refused:
    """Whose roles do not suffice: a tenant's, not the executor's."""
    if error.code != "forbidden":
        return error
    what = error.message.partition("; give the executor")[0]
    return Refused(
        "forbidden",
        f"{what} with the caller's token; an alarm acts with the roles that "
        "you had in this project when you made it: get the role, and make "
        "the alarm again.",
    )


@cache
def classes() -> Mapping[str, type[Answering]]:
    """Every action of ours that is installed, by its Mistral name."""
    return {
        point.name: point.load()
        for point in entry_points(group="mistral.actions")
        if point.name.startswith("ha.")
    }


@cache
def requirements() -> Mapping[str, Requires]:
    """Step name -> what it must hold before it acts.

    A step's module says so in ``REQUIRES``; one that is silent needs proof.
    """
    found = {}
    for name, cls in classes().items():
        module = importlib.import_module(cls.__module__)
        if "batch" in inspect.signature(cls).parameters:
            found[name] = getattr(module, "REQUIRES", Requires.PROOF)
    return found


def perform_by_name(
    name: str,
    inputs: Mapping[str, Any],
    *,
    project: str | None,
    execution: str,
    action_execution: str,
    token: str = "",
) -> tuple[Any, Any]:
    """Do what an executor does with an action call: ``(data, error)``.

    For runs without an engine; the way through ``run`` is the same.

    :param token: of the execution; tenants' actions need one.
    :raises Refused: ``no_action``, there is no such action.
    """
    cls = classes().get(name)
    if cls is None:
        raise Refused("no_action", f"There is no action {name!r}.")
    context = SimpleNamespace(
        security=SimpleNamespace(project_id=project, auth_token=token),
        execution=SimpleNamespace(
            workflow_execution_id=execution,
            action_execution_id=action_execution,
        ),
    )
    answer = cls(**inputs).run(context)
    if isinstance(answer, actions.Result):
        return answer.data, answer.error
    return answer, None
