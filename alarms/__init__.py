"""Alarm definitions, read by Aodh. Data only."""
