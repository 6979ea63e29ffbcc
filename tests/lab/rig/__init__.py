"""The rig: builds, starts, watches and stops the lab. Standard library only,
so it runs before any venv exists.
"""
