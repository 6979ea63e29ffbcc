"""Reports that outlive the ledger: a directory, one JSON file an incident."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ha_actions.errors import Failed

SAFE = re.compile(r"[^A-Za-z0-9._-]")


class ReportFolder:
    """:class:`~ha_actions.ports.Reports` in a directory."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def keep(self, incident: str, parts: Mapping[str, Any]) -> None:
        """Write it whole or not at all; the same again replaces it.

        :raises Failed: ``reports``: it cannot be written.
        """
        name = SAFE.sub("_", incident).lstrip(".") or "_"
        path = self._path / f"{name}.json"
        fresh = path.with_suffix(f".{os.getpid()}.new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump({"incident": incident, **parts}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise Failed(
                "reports",
                f"The report {path} cannot be written ({error.strerror}); "
                "make the directory writable for the executor's user.",
            ) from error
