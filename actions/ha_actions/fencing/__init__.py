"""From a host thought dead to the proof of it, and what all fences share."""
