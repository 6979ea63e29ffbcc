"""Sources that are asked whether a host is alive; one class per file."""
