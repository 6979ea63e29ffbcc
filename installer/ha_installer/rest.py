"""One service's REST API as the operator's shell calls it: errors told."""

from __future__ import annotations

from typing import Any

from ha_actions.errors import BadInput, Failed, Refused


class Rest:
    """A service of a cloud.

    :param api: a keystoneauth adapter made with ``raise_exc=False`` and
        ``connect_retries=0`` (a repeated POST could meet its own first one).
    :param service: its name, for the sentences.
    """

    def __init__(self, api: Any, service: str = "Mistral") -> None:
        self.api = api
        self.service = service

    def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The answer's JSON object; empty when it has no body.

        :raises Refused: ``forbidden``, the service does not let us.
        :raises BadInput: ``unreachable``; it answers with an error.
        """
        body = self.ask(method, path, **more)
        return body if isinstance(body, dict) else {}

    def find(self, path: str, **more: Any) -> dict[str, Any] | None:
        """What a GET gives, or None when there is nothing (404)."""
        found = self.ask("GET", path, none_at=404, **more)
        return found if isinstance(found, dict) else None

    def ask(
        self, method: str, path: str, *, none_at: int = 0, **more: Any
    ) -> Any:
        """The answer's JSON, whatever its kind; None without a body.

        :param none_at: a status that means "there is none": None, no error.
        """
        answer = self._send(method, path, **more)
        if none_at and answer.status_code == none_at:
            return None
        if answer.status_code in (401, 403):
            raise Refused(
                "forbidden",
                f"{self.service} does not allow {method} {path} "
                f"({answer.status_code}{_tail(answer)}); use the operator's "
                "own project.",
                status=answer.status_code,
            )
        if answer.status_code >= 400:
            kind = Failed if answer.status_code >= 500 else BadInput
            raise kind(
                self.service.lower(),
                f"{self.service} answers {answer.status_code} to {method} "
                f"{path}: {fault(answer)}",
                status=answer.status_code,
            )
        return answer.json() if answer.content else None

    def _send(self, method: str, path: str, **more: Any) -> Any:
        import requests
        from keystoneauth1 import exceptions as auth_errors

        try:
            return getattr(self.api, method.lower())(path, **more)
        except (
            requests.RequestException,
            auth_errors.ClientException,
        ) as error:
            raise BadInput(
                "unreachable",
                f"{self.service} did not answer {method} {path} "
                f"({type(error).__name__}); check the cloud's name, your "
                "credentials and the network.",
            ) from error


def fault(answer: Any) -> str:
    """The reason that an error's body gives, as far as it has one."""
    try:
        body = answer.json()
        if isinstance(body, dict) and isinstance(
            body.get("error_message"), dict
        ):
            body = body["error_message"]  # Aodh's form
        return str(body.get("faultstring", ""))[:300] or "no reason given"
    except (ValueError, AttributeError):
        return "no reason given"


def _tail(answer: Any) -> str:
    said = fault(answer)
    return "" if said == "no reason given" else f": {said}"
