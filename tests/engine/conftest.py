"""One real engine for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine.toys import Toys
from ha_installer.engine import EmbeddedEngine


@pytest.fixture(scope="session")
def engine() -> Iterator[EmbeddedEngine]:
    """The embedded engine, open."""
    with EmbeddedEngine() as opened:
        yield opened


@pytest.fixture(scope="session")
def toys(engine: EmbeddedEngine) -> Toys:
    """The toys, known to the real engine as ``toy.do``."""
    from engine.toy_action import TOYS, Do
    from mistral.services import actions

    actions.get_test_action_provider().register_python_action("toy.do", Do)
    return TOYS
