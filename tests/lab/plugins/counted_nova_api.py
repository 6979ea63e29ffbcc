"""Nova's API behind a counter: one line a request, written before the answer
goes out.

A line: time, status, method, path with query, user agent, and what was asked
of a server ("evacuate") or "-"; separated by tabs. world.py reads them.
"""

import io
import json
import os
import time

from nova.wsgi.osapi_compute import application as nova_api

_log = os.open(
    os.environ["HA_LAB_NOVA_CALLS"],
    os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    0o644,
)


def application(environ, start_response):
    """Hand the request through and note it down."""
    came = time.time()
    action = _action(environ)

    def note(status, headers, exc_info=None):
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING")
        asked = f"{path}?{query}" if query else path
        fields = (
            f"{came:.3f}",
            status[:3],
            environ["REQUEST_METHOD"],
            asked,
            environ.get("HTTP_USER_AGENT", "-"),
            action,
        )
        # One write of less than a page with O_APPEND: lines of two threads
        # never mix.
        os.write(_log, ("\t".join(fields) + "\n").encode())
        return (
            start_response(status, headers, exc_info)
            if exc_info
            else start_response(status, headers)
        )

    return nova_api(environ, note)


def _action(environ):
    """The first key of the body of a server action; it is left to be read."""
    if not environ.get("PATH_INFO", "").endswith("/action"):
        return "-"
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        return str(next(iter(json.loads(body)), "-"))
    except (TypeError, ValueError):
        return "-"
