"""The one script that a fresh clone is used through."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    specification = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["dev"] = module
    specification.loader.exec_module(module)
    return module


def test_needs_nothing_but_the_standard_library():
    # -I and -S hide every installed package, so an import of one would fail.
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "dev.py"), "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for command in ("setup", "demo", "test", "likeness", "blender"):
        assert command in result.stdout


def test_finds_an_interpreter_by_running_it(dev: ModuleType):
    command = dev.find_python(sys.version_info[:2])
    told = subprocess.check_output([*command, "-c", "import sys; print(*sys.version_info[:2])"], text=True)
    assert told.split() == [str(part) for part in sys.version_info[:2]]


def test_finds_no_interpreter_where_there_is_none(dev: ModuleType):
    assert dev.find_python((2, 1)) is None


def test_an_environment_is_made_anew_when_its_requirements_change(dev: ModuleType, tmp_path: Path, monkeypatch):
    (tmp_path / "a.txt").write_text("numpy==1.26.4\n")
    monkeypatch.setattr(dev, "REQUIREMENTS", tmp_path)
    environment = dev.Environment("a", (3, 11), ("a.txt",))
    before = environment.fingerprint()
    assert environment.fingerprint() == before
    (tmp_path / "a.txt").write_text("numpy==1.26.3\n")
    assert environment.fingerprint() != before


def test_a_failing_step_makes_the_exit_status_non_zero(dev: ModuleType, monkeypatch):
    monkeypatch.setattr(dev, "set_up", lambda *wanted, quiet=False: [dev.BACKEND])
    assert dev.main(["likeness", "no-such-command"]) != 0


def test_arguments_after_likeness_are_passed_on_untouched(dev: ModuleType, monkeypatch):
    called = []
    monkeypatch.setattr(dev, "set_up", lambda *wanted, quiet=False: [dev.BACKEND])
    monkeypatch.setattr(dev.subprocess, "call", lambda command: called.append(command) or 0)
    assert dev.main(["likeness", "render", "--help", "--yaw", "3"]) == 0
    assert called[0][1:] == ["-m", "likeness", "render", "--help", "--yaw", "3"]
