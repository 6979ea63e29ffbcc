"""What the operator may set of ``ha-watch``: its file's keys and reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

from ha_actions.settings import knob


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When the watch looks, and how long it waits before it speaks."""

    interval_s: float = knob(
        5,
        "Seconds between two rounds. Each costs one call of Nova's API, and "
        "a few of Mistral's.",
        low=0.2,
        high=300,
    )
    quiet_s: float = knob(
        300,
        "Seconds after its own start, or after its machine slept, in which "
        "it says nothing of hosts: what it has not seen alive it does not "
        "know. 0 trusts its first sight.",
        low=0,
        high=3600,
    )
    suspect_s: float = knob(
        25,
        "Seconds without a new heartbeat, by its own readings, after which "
        "a host is suspected and its witnesses are asked. Longer than two "
        "of Nova's report_interval (10).",
        low=1,
        high=600,
    )
    early_s: float = knob(
        8,
        "Seconds before a host is suspected at which its witnesses are "
        "asked, so that their answers are there by then. Leave more than "
        "Nova's report_interval and interval_s before it; 0: not before.",
        low=0,
        high=300,
    )
    ask_again_s: float = knob(
        10,
        "Seconds after which a suspect's witnesses are asked again.",
        low=1,
        high=600,
    )
    republish_s: float = knob(
        15,
        "Seconds after which an event is published again, until its "
        "incident is open. Aodh may have lost it.",
        low=1,
        high=600,
    )
    grace_s: float = knob(
        20,
        "Seconds that Aodh has to start the workflow before the watch "
        "starts it, with the same execution id. Without a bus: at once.",
        low=0,
        high=600,
    )
    resume_s: float = knob(
        60,
        "Seconds for which an incident's execution must have been over, "
        "with the incident still open, before the next attempt is started.",
        low=5,
        high=3600,
    )
    resumes: int = knob(
        5,
        "Attempts that the watch starts of one incident. Beyond, a person "
        "is told.",
        low=0,
        high=100,
    )
    apart_s: float = knob(
        120,
        "Hosts that fell silent within so many seconds did so at once: all "
        "hosts of a failure domain at once is taken for a fault of Nova, "
        "the broker or the watch, and accuses nobody.",
        low=1,
        high=3600,
    )
    page_s: float = knob(
        60,
        "Seconds after which Alertmanager is told again of what is still "
        "held.",
        low=5,
        high=3600,
    )


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Who is told what a person must see, besides the log."""

    webhook: str = knob(
        "",
        "URL that gets one POST of JSON for each; `env:NAME` and `file:PATH` "
        "are references.",
    )
    alertmanager: str = knob(
        "", "Base URL of an Alertmanager, whose v2 API gets alerts."
    )
    ca: str = knob("", "CA file for both; empty: the system's.")


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Prometheus' figures; needs the package `prometheus_client`."""

    textfile: str = knob(
        "", "File for node_exporter's textfile collector, `*.prom`."
    )
    port: int = knob(
        0,
        "TCP port on which they are served; 0: none.",
        low=0,
        high=65535,
    )
    address: str = knob("127.0.0.1", "Address of that port.")


@dataclass(frozen=True, kw_only=True)
class WatchFile:
    """The file of ``ha-watch``; everything has a default."""

    executor: str = knob(
        "",
        "The executor's file: cloud, ledger, fences, bus and the secret of "
        "the installation. Empty: `HA_EXECUTOR_FILE`, else the usual place.",
    )
    beat_url: str = knob(
        "",
        "Where `ha-beat` keeps its group (a tooz URL, or a reference): a "
        "host whose beat ends is suspected at once. Empty: Nova alone.",
    )
    timing: Timing = field(default_factory=Timing)
    pages: Pages = field(default_factory=Pages)
    metrics: Metrics = field(default_factory=Metrics)
