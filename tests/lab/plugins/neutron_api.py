"""Neutron's API with its models and its rules made ready first.

Neutron looks at `Port.port_forwardings`, which SQLAlchemy adds only when it
configures its mappers, at the first query. When the first request of all is a
list of ports, it fails, and so does each one after it, until another kind of
query comes. And it loads its rules at the first request, and forbids what
others ask of it meanwhile.
"""

from neutron import policy
from neutron.wsgi.api import application  # noqa: F401
from sqlalchemy.orm import configure_mappers

configure_mappers()
policy.init()
