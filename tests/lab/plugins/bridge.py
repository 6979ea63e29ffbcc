"""The pack's bridge behind TLS: `bridge.py PORT CERTIFICATE KEY`, with its
file in HA_BRIDGE_FILE. Any WSGI server would do; this is Python's own.
"""

import socketserver
import ssl
import sys
from wsgiref.simple_server import WSGIServer, make_server

from ha_alarms.bridge import application


class Threads(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each alarm."""

    daemon_threads = True


def main(port, certificate, key):
    """Serve for ever."""
    server = make_server("127.0.0.1", int(port), application, Threads)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
