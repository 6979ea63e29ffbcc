"""What several steps share: one run, one batch, the looks they take."""
