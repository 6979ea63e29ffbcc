"""Mistral actions that bring guests back when their compute host dies."""
