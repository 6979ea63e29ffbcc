"""A watch's own figures, for Prometheus; needs `prometheus_client`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ha_actions.errors import BadInput
from ha_alarms.watch_ports import Figures
from ha_alarms.watch_settings import Metrics

GAUGES = {
    "ha_watch_last_round_timestamp_seconds": (
        "round_at",
        "When the last round ended that could read Nova. Alert on its age: "
        "a watch that is dead or blind does not move it.",
    ),
    "ha_watch_round_seconds": ("round_s", "How long the last round took."),
    "ha_watch_hosts": ("hosts", "Compute services that Nova lists."),
    "ha_watch_suspects": ("suspects", "Hosts that are suspected now."),
    "ha_watch_open_incidents": ("open", "Incidents that are open or held."),
    "ha_watch_held_incidents": ("held", "Incidents that wait for a person."),
    "ha_watch_clock_offset_seconds": (
        "offset_s",
        "By how much this clock is behind Nova's; 0 when about the same.",
    ),
}
COUNTERS = {
    "ha_watch_events": ("events", "Events published."),
    "ha_watch_starts": ("starts", "Executions asked of Mistral."),
    "ha_watch_pages": ("pages", "Pages sent to people."),
}
FAILURES = (
    "ha_watch_failures",
    "What the watch could not reach or do, by kind.",
)


class Exporter:
    """Serves the figures, writes them to a file, or both.

    :raises BadInput: prometheus_client is not installed, or the port is
        taken.
    """

    def __init__(self, settings: Metrics, figures: Figures) -> None:
        self._file = settings.textfile
        self._registry: Any = None
        if not (settings.textfile or settings.port):
            return
        try:
            import prometheus_client
        except ImportError as error:
            raise BadInput(
                "watch_file",
                "metrics need the package prometheus_client; install it, or "
                "leave `metrics` out.",
            ) from error
        self._registry = prometheus_client.CollectorRegistry()
        self._registry.register(_Collector(figures))
        if settings.port:
            try:
                prometheus_client.start_http_server(
                    settings.port, settings.address, self._registry
                )
            except OSError as error:
                raise BadInput(
                    "watch_file",
                    f"metrics: port {settings.port} of {settings.address} "
                    f"cannot be used ({error.strerror}); choose another.",
                ) from error

    def write(self) -> None:
        """Write the file, if one is set; it is replaced at once."""
        if self._file:
            import prometheus_client

            prometheus_client.write_to_textfile(self._file, self._registry)


class _Collector:
    """Reads the figures when somebody asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        """Each figure, as it is now."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        for name, (field, why) in GAUGES.items():
            value = getattr(self._figures, field)
            yield GaugeMetricFamily(name, why, value)
        for name, (field, why) in COUNTERS.items():
            value = getattr(self._figures, field)
            yield CounterMetricFamily(name, why, value)
        failures = CounterMetricFamily(*FAILURES, labels=["what"])
        for what, count in sorted(self._figures.failures.items()):
            failures.add_metric([what], count)
        yield failures
