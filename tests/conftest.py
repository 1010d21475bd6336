"""What all tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

# Scripts inside Blender import ``avatars`` from their own folder; tests know it under the same plain name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def counted_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Callable[[], float]]:
    """Makes time budgets count looks at the clock instead of seconds, so that a busy machine changes nothing.

    Called with the seconds that each look takes; gives a function that tells the seconds so far.
    """
    from likeness.jobs import pace

    def begin(tick: float) -> Callable[[], float]:
        now = 0.0

        def monotonic() -> float:
            nonlocal now
            now += tick
            return now

        monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=monotonic))
        return lambda: now

    return begin


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    """The folder of films and head models that are not part of the project; tests that need it skip without it."""
    folder = repository.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs shared data beside the repository")
    return folder


@pytest.fixture(scope="session")
def ict_head(shared_data: Path):
    """ICT-FaceKit as a head model."""
    from likeness.head.ict import load_ict

    return load_ict(shared_data / "ict_facekit.npz")


@pytest.fixture(scope="session")
def flame_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of FLAME's true layout and size, alone in its folder (see ``flame.py``)."""
    from flame import write_flame

    return write_flame(tmp_path_factory.mktemp("flame"))


@pytest.fixture(scope="session")
def flame_head(flame_file: Path):
    """That file as a head model."""
    from likeness.head.flame import load_flame

    return load_flame(flame_file)


@pytest.fixture(scope="session")
def talking_film(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a half of a real talking head (see ``films.py``)."""
    from films import talking_film

    return talking_film(tmp_path_factory.mktemp("film") / "film.mp4", shared_data / "clip_talking.mp4")
