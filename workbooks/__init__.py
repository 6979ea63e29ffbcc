"""Workbooks, read by the Mistral engine. Data only."""
