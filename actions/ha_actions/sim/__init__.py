"""A simulated cloud behind the same ports: two truths, one clock."""
