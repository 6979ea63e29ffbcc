"""The deciders: pure functions over values. ``now`` is an argument."""
