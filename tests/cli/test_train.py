"""Arguments of `likeness train` that make no sense are told before anything is read."""

import pytest
from likeness.cli.main import main
from likeness.cli.train import LARGEST_SEED, seed


def told_of(capsys, *words: str) -> str:
    """What is said about wrong arguments, its last line."""
    with pytest.raises(SystemExit) as exit_status:
        main([*words])
    assert exit_status.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", ["train", "ablate"])
@pytest.mark.parametrize("text", ["-1", "1.5", "luck", str(LARGEST_SEED + 1), "9" * 5000])
def test_a_seed_is_a_whole_number_from_zero_on(capsys, command, text):
    told = told_of(capsys, command, "capture", "out", "--seed", text)
    assert f"{text!r} is no seed; give a whole number, 0 to {LARGEST_SEED}" in told


def test_any_other_seed_is_taken():
    assert (seed("0"), seed("7"), seed(str(LARGEST_SEED))) == (0, 7, LARGEST_SEED)


@pytest.mark.parametrize("text", ["abc", "-1", "nan", ""])
def test_a_time_is_a_number_from_zero_on(capsys, text):
    told = told_of(capsys, "train", "capture", "avatar.glb", "--seconds", text)
    assert f"{text!r} is no time; give seconds, 0 or more, such as 600, or inf" in told
