"""Damaged head and capture files are refused or read, never a crash, a process, or a gibibyte; see ``fuzz.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MUTANTS = 60
"""Here; ``python tests/fuzz.py 2000`` takes five minutes."""


def test_damaged_files_are_refused_or_read_and_nothing_else(repository: Path):
    done = subprocess.run(
        [sys.executable, str(repository / "tests" / "fuzz.py"), str(MUTANTS), "--first", "100000"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 1) and done.stdout, done.stderr[-2000:]
    told = json.loads(done.stdout[done.stdout.index("{") :])
    assert told["crashes"] == [] and told["forbidden events"] == []
    assert told["read"] + told["refused"] == MUTANTS and told["refused"] > told["read"]
    assert told["peak memory, MiB"] < 1024
