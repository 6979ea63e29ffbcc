"""Figures for Prometheus: one text file for the node exporter's collector.

prometheus_client is there wherever Mistral is (oslo.metrics brings it), but
it is imported only when a figure is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ha_actions.errors import BadInput, Failed


class TextFile:
    """:class:`~ha_actions.ports.Gauges` as a file that is replaced whole.

    :param path: ``*.prom`` in the folder of node_exporter's
        ``--collector.textfile.directory``.
    :raises BadInput: the name does not end in ``.prom``, so that the
        exporter would not read it.
    """

    def __init__(self, path: str) -> None:
        if not path.endswith(".prom"):
            raise BadInput(
                "executor_file",
                f"metrics: {path} must end in .prom, else the node exporter "
                "does not read it.",
            )
        self._path = Path(path)

    def put(
        self, label: str, families: Mapping[str, tuple[str, dict[str, float]]]
    ) -> None:
        """Replace the file. :raises Failed: it cannot be written."""
        try:
            from prometheus_client import (
                CollectorRegistry,
                Gauge,
                write_to_textfile,
            )
        except ImportError:
            raise Failed(
                "metrics",
                "prometheus_client is not installed beside Mistral; install "
                "it, or take `metrics` out of the executor's file.",
            ) from None
        registry = CollectorRegistry()
        for name, (help_, values) in families.items():
            gauge = Gauge(name, help_, [label], registry=registry)
            for value, figure in values.items():
                gauge.labels(value).set(figure)
        try:
            write_to_textfile(str(self._path), registry)
        except OSError as error:
            raise Failed(
                "metrics",
                f"{self._path} cannot be written ({error.strerror}); give "
                "the executor's user its folder.",
            ) from error
