"""Cinder driver `NoBackEnd`: volumes exist in Cinder's database alone.

Cloning an image is "done" at once, so booting from a volume copies nothing.
"""

from cinder.volume import driver

POOL = {
    "pool_name": "nothing",
    "total_capacity_gb": 100000,
    "free_capacity_gb": 100000,
    "reserved_percentage": 0,
    "allocated_capacity_gb": 0,
    "multiattach": True,
    "thin_provisioning_support": True,
    "max_over_subscription_ratio": 20,
}


class NoBackEnd(driver.BaseVD, driver.CloneableImageVD):
    """Says yes to everything."""

    VERSION = "1.0"

    def do_setup(self, context):
        """Nothing to prepare."""

    def check_for_setup_error(self):
        """Nothing can be wrong."""

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": "nothing",
            "vendor_name": "lab",
            "driver_version": self.VERSION,
            "storage_protocol": "iSCSI",
            "pools": [POOL],
        }

    def get_volume_stats(self, refresh=False):
        """One endless pool."""
        self._update_volume_stats()
        return self._stats

    def clone_image(
        self, context, volume, image_location, image_meta, image_service
    ):
        """Done: nothing is downloaded."""
        return {}, True

    def initialize_connection(self, volume, connector):
        """An address that nobody connects to."""
        data = {
            "target_iqn": f"iqn.2010-10.org.openstack:{volume['id']}",
            "target_portal": "127.0.0.1:3260",
            "target_lun": 1,
            "target_discovered": False,
            "volume_id": volume["id"],
        }
        return {"driver_volume_type": "iscsi", "data": data}

    def local_path(self, volume):
        """No such thing."""
        return "/dev/null"

    def _nothing(self, *args, **kwargs):
        return None

    create_volume = delete_volume = extend_volume = _nothing
    create_snapshot = delete_snapshot = _nothing
    create_volume_from_snapshot = create_cloned_volume = _nothing
    ensure_export = create_export = remove_export = _nothing
    copy_image_to_volume = terminate_connection = _nothing
