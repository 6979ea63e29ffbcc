"""nova.virt.guests_on_disk: a hypervisor made of one file, whose guests
outlive nova-compute.

Nova's own fake driver keeps guests in memory, so killing nova-compute would
kill them too. Here they are in `state_path/guests.json`: {server id: {name,
domain, state, resources, addresses, serves, boot_s}}. One server id RUNNING
in the files of two hosts is a split brain that a test can see. The power
switch of the host (rig/hosts.py) edits the file only while nova-compute is
dead; what guests answer, guest_ports.py reads there.

Four knobs, files in state_path: `spawn_delay` and `live_migration_delay`
(seconds), `spawn_fail` (`*` or server ids), `crash` (server ids whose
processes die, once).
"""

import functools
import json
import os
import threading
import time

import nova.conf
import os_traits
from nova import exception
from nova.compute import power_state
from nova.virt import event, fake
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# The driver calls after which the set of guests, or the power of one, may be
# another.
CHANGING = (
    "spawn",
    "destroy",
    "power_on",
    "power_off",
    "reboot",
    "unrescue",
    "migrate_disk_and_power_off",
    "finish_migration",
    "finish_revert_migration",
    "post_live_migration_at_destination",
)


TPM = (
    os_traits.COMPUTE_SECURITY_TPM_2_0,
    os_traits.COMPUTE_SECURITY_TPM_CRB,
    os_traits.COMPUTE_SECURITY_TPM_SECRET_SECURITY_USER,
)


class DiskDriver(fake.FakeDriverWithoutFakeNodes):
    """The fake driver with a stable node (state_path/compute_id) and guests on
    disk.
    """

    vcpus = 256
    memory_mb = 1024 * 1024
    local_gb = 10000

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self._path = os.path.join(CONF.state_path, "guests.json")
        self._writing = threading.Lock()
        # server id -> what FakeInstance has no place for
        self._facts = {}

    def init_host(self, host):
        """Find the guests of the time before."""
        super().init_host(host)
        for uuid, guest in json.loads(
            self._read("guests.json") or "{}"
        ).items():
            self.instances[uuid] = fake.FakeInstance(
                guest["domain"], guest["state"], uuid
            )
            self._facts[uuid] = {
                key: value
                for key, value in guest.items()
                if key not in ("domain", "state")
            }
            self.resources.claim(**guest["resources"])
        LOG.info("%d guests found on this host", len(self.instances))
        threading.Thread(target=self._crashes, daemon=True).start()

    def _crashes(self):
        """End the guests that the file `crash` names, and tell Nova what
        libvirt tells of a process that was killed: it stopped.
        """
        path = os.path.join(CONF.state_path, "crash")
        while True:
            time.sleep(0.5)
            named = self._read("crash").split()
            if not named:
                continue
            os.unlink(path)
            for uuid in named:
                if uuid in self.instances:
                    self.instances[uuid].state = power_state.SHUTDOWN
                    self._save()
                    stopped = event.EVENT_LIFECYCLE_STOPPED
                    self.emit_event(event.LifecycleEvent(uuid, stopped))

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        """As the fake driver does, and it offers virtual TPMs."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        provider_tree.add_traits(nodename, *TPM)

    def spawn(self, context, instance, *args, **kwargs):
        """As the fake driver does, after the knobs had their say."""
        vifs = kwargs.get("network_info") or instance.get_network_info()
        time.sleep(float(self._read("spawn_delay") or 0))
        failing = self._read("spawn_fail")
        if failing == "*" or instance.uuid in failing:
            raise exception.InternalError(
                "the lab was told to fail this spawn"
            )
        flavor = instance.flavor
        size = {
            "vcpus": flavor.vcpus,
            "mem": flavor.memory_mb,
            "disk": flavor.root_gb,
        }
        self._facts[instance.uuid] = {
            "name": instance.display_name,
            "resources": size,
            "addresses": [
                ip["address"] for vif in vifs for ip in vif.fixed_ips()
            ],
            "serves": instance.metadata.get("lab:serves", ""),
            "boot_s": instance.metadata.get("lab:boot_s", ""),
        }
        super().spawn(context, instance, *args, **kwargs)

    def live_migration(self, context, instance, *args, **kwargs):
        """As the fake driver does, later; then it has left this host."""
        time.sleep(float(self._read("live_migration_delay") or 0))
        self.destroy(context, instance, [])
        super().live_migration(context, instance, *args, **kwargs)

    def migrate_disk_and_power_off(self, context, instance, *args, **kwargs):
        """The one that is left behind is off until the move is confirmed."""
        answer = super().migrate_disk_and_power_off(
            context, instance, *args, **kwargs
        )
        self.instances[instance.uuid].state = power_state.SHUTDOWN
        return answer

    def _read(self, name):
        try:
            with open(os.path.join(CONF.state_path, name)) as source:
                return source.read().strip()
        except FileNotFoundError:
            return ""

    def _save(self):
        with self._writing:
            guests = {}
            for uuid, guest in list(self.instances.items()):
                facts = self._facts.get(
                    uuid, {"name": guest.name, "resources": {}}
                )
                guests[uuid] = {
                    "domain": guest.name,
                    "state": guest.state,
                    **facts,
                }
            temporary = self._path + ".new"
            with open(temporary, "w") as target:
                json.dump(guests, target)
            os.replace(temporary, self._path)


def _then_save(name):
    plain = getattr(DiskDriver, name)

    @functools.wraps(plain)
    def method(self, *args, **kwargs):
        try:
            return plain(self, *args, **kwargs)
        finally:
            self._save()

    return method


for _name in CHANGING:
    setattr(DiskDriver, _name, _then_save(_name))
