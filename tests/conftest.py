"""What all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Scripts inside Blender import ``avatars`` from their own folder; tests know it under the same plain name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[1]
