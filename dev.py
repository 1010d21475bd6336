#!/usr/bin/env python3
"""Everything that a developer or a curious user does with Likeness, from a fresh clone. Standard library only.

    python3.11 dev.py demo              make an avatar from the sample capture, open it in Blender, render it
    python3.11 dev.py demo --video FILE --head HEAD
    python3.11 dev.py test              run every check
    python3.11 dev.py likeness ARGS     the command line, in its environment
    python3.11 dev.py blender SCRIPT ARGS    a script under Blender's Python module
    python3.11 dev.py setup             only make the environments

Environments live in .venv/: ``backend`` (torch, Warp, MediaPipe, ...) and ``blender-5.0`` (and ``blender-5.2`` where a
Python 3.13 is found). They are apart because bpy and pymeshlab cannot share a process. Each is made once and made anew
when its requirements change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
WINDOWS = os.name == "nt"


class StepError(Exception):
    """A step did not succeed; its own output has already told why."""

    def __init__(self, title: str, status: int) -> None:
        super().__init__(f"{title} failed with exit status {status}.")
        self.status = status


@dataclass(frozen=True)
class Environment:
    """One virtual environment: its name, the Python it needs, and what is installed into it."""

    name: str
    python: tuple[int, int]
    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the environment lies."""
        return ENVIRONMENTS / self.name

    @property
    def interpreter(self) -> Path:
        """The environment's Python."""
        return self.folder / ("Scripts/python.exe" if WINDOWS else "bin/python")

    def fingerprint(self) -> str:
        """What the environment is made of; a change means that it must be made anew."""
        digest = hashlib.sha256(repr(self.python).encode())
        for name in (*self.requirements, *self.without_dependencies):
            digest.update((REQUIREMENTS / name).read_bytes())
        return digest.hexdigest()


BACKEND = Environment(
    "backend", (3, 11), ("backend.txt", "development.txt"), without_dependencies=("backend-without-dependencies.txt",)
)
BLENDERS = (
    Environment("blender-5.0", (3, 11), ("blender-5.0.txt",)),
    Environment("blender-5.2", (3, 13), ("blender-5.2.txt",)),
)
GLTF_VALIDATOR = "gltf-validator@2.0.0-dev.3.10"


def main(arguments: list[str]) -> int:
    """Run one command of this script; the exit status is 0 only if all of it succeeded."""
    parser = argparse.ArgumentParser(prog="dev.py", description="Set up, try out and test Likeness.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make the environments")
    demo_parser = commands.add_parser("demo", help="make an avatar, open it in Blender, render it")
    demo_parser.add_argument("--video", type=Path, help="a video of a talking head (default: the sample capture)")
    demo_parser.add_argument("--head", default="standin", help="head model for the video: a path, or `standin`")
    demo_parser.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for the results (default: demo/)")
    demo_parser.add_argument("--preset", default="preview", help="training preset (default: preview)")
    test_parser = commands.add_parser("test", help="run every check")
    test_parser.add_argument("tests", nargs="*", help="only these files or folders below tests/")
    for name, text in (("likeness", "the command line"), ("blender", "a script under Blender's Python module")):
        passing = commands.add_parser(name, help=text, add_help=False)
        passing.add_argument("arguments", nargs=argparse.REMAINDER)
    # A command line of its own follows `likeness` and `blender`, options included.
    if arguments and arguments[0] in ("likeness", "blender"):
        options = argparse.Namespace(command=arguments[0], arguments=arguments[1:])
    else:
        options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        if options.command == "setup":
            set_up(BACKEND, *BLENDERS)
        elif options.command == "demo":
            demo(options, started)
        elif options.command == "test":
            test(options.tests)
        elif options.command == "likeness":
            set_up(BACKEND, quiet=True)
            return subprocess.call([str(BACKEND.interpreter), "-m", "likeness", *options.arguments])
        elif options.command == "blender":
            if not options.arguments:
                raise SystemExit("dev.py blender: give a script to run under Blender's Python module.")
            available = set_up(BLENDERS[0], quiet=True)
            return subprocess.call([str(available[0].interpreter), *options.arguments])
    except StepError as failure:
        print(f"\n{failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command to go on; finished environments are kept.", file=sys.stderr)
        return 130
    print(f"\nDone in {_duration(time.monotonic() - started)}.")
    return 0


# Environments


def set_up(*wanted: Environment, quiet: bool = False) -> list[Environment]:
    """Make the environments that are missing or out of date; returns those that are there afterwards."""
    available = []
    for environment in wanted:
        stamp = environment.folder / "likeness-environment.txt"
        if stamp.is_file() and stamp.read_text() == environment.fingerprint() and environment.interpreter.exists():
            if not quiet:
                print(f"Environment {environment.name}: up to date.")
            available.append(environment)
            continue
        python = find_python(environment.python)
        version = ".".join(map(str, environment.python))
        if python is None:
            if environment is BLENDERS[-1]:
                print(f"Environment {environment.name}: left out, for no Python {version} was found.")
                continue
            raise SystemExit(f"Likeness needs Python {version}, and none was found on this machine. Install it first.")
        print(f"Environment {environment.name}: installing (Python {version}) ...", flush=True)
        started = time.monotonic()
        _run("Making the environment", [*python, "-m", "venv", "--clear", str(environment.folder)])
        pip = [str(environment.interpreter), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        files = [part for name in environment.requirements for part in ("-r", str(REQUIREMENTS / name))]
        _run(f"Installing {environment.name}", [*pip, *files])
        for name in environment.without_dependencies:
            _run(f"Installing {name}", [*pip, "--no-deps", "-r", str(REQUIREMENTS / name)])
        if environment is BACKEND:
            _add_to_path(environment, ROOT / "backend")
        stamp.write_text(environment.fingerprint())
        print(f"Environment {environment.name}: ready after {_duration(time.monotonic() - started)}.", flush=True)
        available.append(environment)
    return available


def find_python(version: tuple[int, int]) -> list[str] | None:
    """A command that runs this Python version, found by running candidates: a shim that exists may still refuse."""
    name = ".".join(map(str, version))
    candidates = [[sys.executable], [f"python{name}"], ["py", f"-{name}"], ["uv", "run", "--python", name, "python"]]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [[str(path)] for path in sorted(versions.glob(f"{name}.*/bin/python"))]
    probe = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    for candidate in candidates:
        if shutil.which(candidate[0]) is None:
            continue
        result = subprocess.run([*candidate, "-c", probe], capture_output=True, text=True, check=False)
        if result.returncode == 0 and result.stdout.split() == [str(part) for part in version]:
            return candidate
    return None


def _add_to_path(environment: Environment, folder: Path) -> None:
    """Let the environment import what lies in ``folder``, without building a package."""
    command = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run(
        [str(environment.interpreter), "-c", command], capture_output=True, text=True, check=True
    ).stdout.strip()
    (Path(packages) / "likeness-checkout.pth").write_text(f"{folder}\n")


# The demo


def demo(options: argparse.Namespace, started: float) -> None:
    """From a capture or a video to a rendered avatar in Blender, one command line at a time."""
    set_up(BACKEND, BLENDERS[0])
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    capture, avatar, evaluation = out / "capture", out / "avatar.glb", out / "evaluation"
    seconds: dict[str, float] = {"setup": time.monotonic() - started}
    peaks: dict[str, float] = {}

    def step(name: str, *command: str | Path) -> None:
        words = [str(word) for word in command]
        shown = " ".join(_relative(word) for word in words[1:])
        print(f"\n== {name}: {shown}", flush=True)
        begun = time.monotonic()
        peaks[name] = _run_measured(name, words)
        seconds[name] = time.monotonic() - begun
        print(f"== {name}: {_duration(seconds[name])}", flush=True)

    backend = (BACKEND.interpreter, "-m", "likeness")
    blender = BLENDERS[0].interpreter
    if options.video:
        # Steps run in the repository's folder, and a user's paths begin where the user is.
        video, head = options.video.resolve(), options.head
        head = str(Path(head).resolve()) if Path(head).exists() else head
        step("track", *backend, "track", video, "--head", head, capture, "--overwrite")
    else:
        step("sample", *backend, "sample", capture, "--overwrite")
    step("train", *backend, "train", capture, avatar, "--preset", options.preset, "--job", out / "training")
    step("validate", *backend, "validate", avatar)
    step("eval", *backend, "eval", avatar, capture, "--out", evaluation)
    render = ROOT / "tools" / "render_avatar.py"
    jobs = evaluation / "blender-jobs.json"
    step("blender", blender, render, avatar, jobs, "--save", out / "avatar.blend", "--key", "film")
    measured = {"seconds": seconds, "peak_gib": peaks, "total_s": time.monotonic() - started}
    (evaluation / "demo.json").write_text(json.dumps(measured, indent=1))
    step("report", *backend, "report", evaluation, avatar, "--out", out)
    for name in ("avatar.glb", "avatar.blend", "contact_sheet.png", "avatar.mp4", "report.md", "report.json"):
        print(f"  {_relative(str(out / name))}")


def _run_measured(title: str, command: list[str]) -> float:
    """Run a command and return the peak memory of its largest process, GiB; NaN where the system cannot tell."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        if not hasattr(os, "wait4"):
            status, peak = process.wait(), float("nan")
        else:
            _, encoded, usage = os.wait4(process.pid, 0)
            status = os.waitstatus_to_exitcode(encoded)
            process.returncode = status
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
    except KeyboardInterrupt:
        # The child has got the signal too; it ends cleanly and says so itself.
        process.wait()
        raise
    if status:
        raise StepError(title, status if status > 0 else 1)
    return peak


# Checks


def test(selected: list[str]) -> None:
    """Every check, in the order of how fast it tells of a mistake."""
    available = set_up(BACKEND, *BLENDERS)
    python = str(BACKEND.interpreter)
    environment = dict(os.environ)
    if not selected:
        _timed("Lint", [python, "-m", "ruff", "check", "."])
        _timed("Format", [python, "-m", "ruff", "format", "--check", "--quiet", "."])
        _timed("Types", [python, "-m", "basedpyright", "--level", "error"])
        validator = _gltf_validator()
        if validator:
            environment["LIKENESS_GLTF_VALIDATOR"] = str(validator)
    in_blender = [name for name in selected if Path(name).parts[:2] == ("tests", "blender")]
    in_backend = [name for name in selected if name not in in_blender]
    if in_backend or not selected:
        words = in_backend or ["tests", "--ignore=tests/blender", "--ignore=tests/gui"]
        _timed("Backend tests", [python, "-m", "pytest", "--numprocesses=2", *words], environment)
    if in_blender or not selected:
        for blender in available[1:]:
            _timed(
                f"Tests under {blender.name}",
                [str(blender.interpreter), "-m", "pytest", *(in_blender or ["tests/blender"])],
                environment,
            )


def _gltf_validator() -> Path | None:
    """The folder of Khronos' validator, installed by npm; None where there is no npm."""
    folder = ENVIRONMENTS / "gltf-validator"
    npm = shutil.which("npm")
    if npm is None:
        print("gltf-validator: left out, for there is no npm on this machine.")
        return None
    if not (folder / "node_modules" / "gltf-validator").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _run(
            "Installing gltf-validator",
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), GLTF_VALIDATOR],
        )
    return folder


def _timed(title: str, command: list[str], environment: dict[str, str] | None = None) -> None:
    print(f"\n== {title}", flush=True)
    started = time.monotonic()
    _run(title, command, environment)
    print(f"== {title}: passed after {_duration(time.monotonic() - started)}", flush=True)


def _run(title: str, command: list[str], environment: dict[str, str] | None = None) -> None:
    status = subprocess.call(command, cwd=ROOT, env=environment)
    if status:
        raise StepError(title, status if status > 0 else 1)


def _relative(word: str) -> str:
    path = Path(word)
    return str(path.relative_to(ROOT)) if path.is_absolute() and path.is_relative_to(ROOT) else word


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
