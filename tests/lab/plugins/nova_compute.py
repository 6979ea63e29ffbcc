"""nova-compute that also finds the lab's driver: Nova loads drivers from its
own package alone.
"""

from nova import monkey_patch

monkey_patch.patch(
    backend="threading"
)  # before anything else of Nova, as its own launcher does

import pathlib  # noqa: E402
import sys  # noqa: E402

import nova.virt  # noqa: E402
from nova.cmd import compute  # noqa: E402

nova.virt.__path__.append(
    str(pathlib.Path(__file__).resolve().parent / "labnova_virt")
)
sys.argv[0] = "nova-compute"
sys.exit(compute.main())
