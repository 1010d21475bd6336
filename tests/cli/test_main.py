"""What every command of the command line has in common."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from likeness.cli.main import COMMANDS, main


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(["--help"])
    assert exit_status.value.code == 0
    told = capsys.readouterr().out
    for command in COMMANDS:
        assert command in told


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_a_json_option(command, capsys):
    with pytest.raises(SystemExit) as exit_status:
        main([command, "--help"])
    assert exit_status.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_help_is_quick_for_it_imports_nothing_heavy():
    code = "import sys; from likeness.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'warp', 'cv2', 'scipy', 'mediapipe'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_wrong_usage_is_status_2():
    with pytest.raises(SystemExit) as exit_status:
        main(["no-such-command"])
    assert exit_status.value.code == 2


def test_a_users_mistake_is_one_sentence_without_a_traceback(capsys, tmp_path: Path):
    missing = tmp_path / "missing.safetensors"
    assert main(["head", "info", str(missing)]) == 1
    told = capsys.readouterr()
    assert str(missing) in told.err
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


def test_with_json_the_mistake_is_on_standard_output_too(capsys, tmp_path: Path):
    assert main(["head", "info", str(tmp_path / "missing.safetensors"), "--json"]) == 1
    assert "missing.safetensors" in json.loads(capsys.readouterr().out)["error"]


def test_json_goes_to_a_file_when_one_is_named(capsys, tmp_path: Path):
    place = tmp_path / "result.json"
    assert main(["head", "info", "standin", "--json", str(place)]) == 0
    assert json.loads(place.read_text())["name"] == "standin"
    assert "standin" in capsys.readouterr().out


def test_interrupting_is_told_and_is_no_success(capsys, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("likeness.cli.head.run", interrupted)
    assert main(["head", "info", "standin"]) == 130
    assert "Interrupted" in capsys.readouterr().err


def test_a_full_disk_is_told_in_one_sentence(capsys, monkeypatch, tmp_path: Path):
    def full(options):
        raise OSError(28, "No space left on device", str(tmp_path / "avatar.glb"))

    monkeypatch.setattr("likeness.cli.head.run", full)
    assert main(["head", "info", "standin"]) == 1
    told = capsys.readouterr().err
    assert "avatar.glb: No space left on device; free some space there, or choose another place." in told


@pytest.mark.parametrize("number", ["ENOTDIR", "EEXIST", "EISDIR", "ENAMETOOLONG", "ELOOP", "EACCES", "EROFS", "EPERM"])
def test_a_place_that_cannot_serve_is_told_in_one_sentence(capsys, monkeypatch, tmp_path: Path, number: str):
    code = getattr(errno, number)

    def refused(options):
        raise OSError(code, os.strerror(code), str(tmp_path / "avatar.glb"))

    monkeypatch.setattr("likeness.cli.head.run", refused)
    assert main(["head", "info", "standin"]) == 1
    told = capsys.readouterr().err
    assert told == f"likeness: {tmp_path / 'avatar.glb'}: {os.strerror(code)}; choose another place.\n"


def test_a_name_that_is_too_long_is_told_in_one_sentence(capsys, tmp_path: Path):
    assert main(["sample", str(tmp_path / ("long" * 100))]) == 1
    told = capsys.readouterr().err
    assert "File name too long; choose another place." in told and told.count("\n") == 1


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_a_process_without_standard_streams_works(tmp_path: Path, closed: str):
    code = "import sys; from likeness.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "sample", str(tmp_path / "capture")]
    assert subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *words], check=False).returncode == 0
    assert (tmp_path / "capture" / "capture.json").is_file()
    again = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *words], stdout=subprocess.PIPE, check=False)
    # What belongs to one stream does not come on the other.
    assert again.returncode == 1 and again.stdout == b""


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch):
    def broken(options):
        raise ZeroDivisionError

    monkeypatch.setattr("likeness.cli.head.run", broken)
    with pytest.raises(ZeroDivisionError):
        main(["head", "info", "standin"])
