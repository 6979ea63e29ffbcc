"""What the lab adds to OpenStack's own services; loaded by them, never by the
rig or the tests.
"""
