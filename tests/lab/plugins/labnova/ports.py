"""ML2 mechanism driver `lab`: every port is bound and ACTIVE at once, on any
host, with no agent.
"""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class AnyHostDriver(api.MechanismDriver):
    """Binds to the first segment, so that moving a port is seen in
    `binding:host_id` alone.
    """

    supported_vnic_types = [portbindings.VNIC_NORMAL]

    def initialize(self):
        """Nothing to prepare."""

    @property
    def connectivity(self):
        """Plain layer 2."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Answer the first offer."""
        segment = context.segments_to_bind[0]
        details = {portbindings.CAP_PORT_FILTER: True}
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            details,
            status=constants.PORT_STATUS_ACTIVE,
        )
