"""Batches and their outcomes, in the form the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.model import Batch, Outcome


@dataclass(frozen=True)
class Batches:
    """The form in which a batch is kept in the ledger."""

    batch: Batch


@dataclass(frozen=True)
class Outcomes:
    """The form in which a batch's outcomes are kept."""

    outcomes: tuple[Outcome, ...]
