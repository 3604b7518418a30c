"""Profiles of hypothesis. `pytest --hypothesis-profile=long` tests the fold on over 100,000 journals in all."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("usual", deadline=None)
settings.register_profile(
    "long", deadline=None, max_examples=12_500, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.load_profile("usual")


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder with a short path, as that of a journal has to be."""
    with tempfile.TemporaryDirectory(prefix="near-") as folder:
        yield Path(folder).resolve()
