"""The real cloud: OpenStack's APIs behind the ``Cloud`` port."""
