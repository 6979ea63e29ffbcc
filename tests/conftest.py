"""What one process of tests shares."""

from __future__ import annotations

import contextlib

# oslo.service works with threads or with eventlet, for a whole process, and
# the first import of oslo.messaging chooses eventlet. The embedded engine
# needs threads, whichever test comes first.
with contextlib.suppress(ImportError):
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)
