"""The Mistral actions, one file each, found by their entry points."""
