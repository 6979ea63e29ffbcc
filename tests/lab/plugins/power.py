"""A host's power as its BMC reads and changes it, whatever protocol asks: the
Redfish and the IPMI front end are two doors of one BMC.

What a BMC gets wrong is read from the host's `bmc.json` at each request:

  latency       seconds before each answer
  off_delay     seconds from the order to its effect; on_delay likewise
  drop          no answer (Redfish: the connection is closed)
  refuse        refuse an order (Redfish: with this HTTP status)
  ignore        say yes, and nothing happens
  lie           say yes, nothing happens, and read as ordered
  report        read this, whatever is true
  revive_after  On again by itself, seconds after Off
"""

import json
import subprocess
import sys
import threading
import time

from rig import hosts, settings

QUICK = 0.3


class Refuses(Exception):
    """The BMC does not take orders; `status` is what it was told to say."""

    def __init__(self, status):
        super().__init__("this BMC refuses orders")
        self.status = status


def reads(host):
    """On, Off, PoweringOn, PoweringOff or what it is made to say."""
    wrong = hosts.faults(host)
    said, pending = hosts.bmc_memory(host, "said"), None
    if "report" in wrong:
        state = wrong["report"]
    elif wrong.get("lie") and said:
        state = said
    else:
        pending = hosts.bmc_memory(host, "pending")
        state = pending or hosts.power(host)
    note(host, f"reads {state}")
    return state


def order(host, word, off, on):
    """Carry an order out, late when told so: off, on, or off and then on.
    `word` is how the protocol calls it.
    """
    wrong = hosts.faults(host)
    note(host, f"order {word}")
    if wrong.get("refuse"):
        raise Refuses(wrong["refuse"])
    if not (off or on) or wrong.get("ignore"):
        return
    if wrong.get("lie"):
        hosts.bmc_remember(host, "said", "On" if on else "Off")
        return
    hosts.bmc_remember(host, "said", None)
    if off != on and hosts.power(host) == ("Off" if off else "On"):
        return
    # Before the answer goes out, so that the next reading is already the
    # transition.
    transition = "PoweringOff" if off else "PoweringOn"
    hosts.bmc_remember(host, "pending", transition)
    threading.Thread(
        target=_carry_out, args=(host, off, on, wrong), daemon=True
    ).start()


def _carry_out(host, off, on, wrong):
    try:
        if off:
            time.sleep(wrong.get("off_delay", QUICK))
            hosts.cut(host)
            note(host, "is Off")
        hosts.bmc_remember(host, "pending", None)
        if on:
            _switch_on(host, wrong.get("on_delay", QUICK))
        elif "revive_after" in wrong:
            _switch_on(host, wrong["revive_after"])
    finally:
        hosts.bmc_remember(host, "pending", None)


def _switch_on(host, delay):
    time.sleep(delay)
    # By way of the command line, so that nova-compute is no child of this
    # process.
    subprocess.run(
        [sys.executable, str(settings.HOME / "lab"), "host", host, "return"],
        check=False,
    )
    note(host, "is On")


def note(host, what):
    """One line of JSON for each thing that a BMC was asked or did."""
    line = (
        json.dumps({"at": round(time.time(), 3), "host": host, "what": what})
        + "\n"
    )
    with settings.BMC_ACTIONS.open("a") as log:
        log.write(line)
