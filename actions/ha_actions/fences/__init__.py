"""Devices that can take a host's life; one small class per file."""
