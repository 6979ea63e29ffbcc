"""How the world is asked, over ports: witnesses, reach, probes."""
