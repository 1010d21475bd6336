"""The learning curve in its file and as blocks."""

from likeness.jobs.curve import POINTS, CurveFile, described, sparkline, thinned


def rows(folder):
    return (folder / "curve.csv").read_text().splitlines()


def test_steps_that_are_taken_again_are_told_once(tmp_path):
    curve = CurveFile(tmp_path)
    curve.cut("train", 0)
    for step in (10, 20, 30):
        curve.add("train", step, step / 10, 1 / step)
    curve.cut("train", 20)
    curve.add("train", 25, 2.5, 0.04)
    curve.cut("finetune", 0)
    curve.add("finetune", 5, 1.0, 0.5)
    assert rows(tmp_path) == [
        "stage,step,seconds,loss", "train,10,1.0,0.1", "train,20,2.0,0.05", "train,25,2.5,0.04", "finetune,5,1.0,0.5"
    ]  # fmt: skip


def test_half_a_row_is_left_out(tmp_path):
    curve = CurveFile(tmp_path)
    curve.cut("train", 0)
    curve.add("train", 10, 1.0, 0.1)
    with open(tmp_path / "curve.csv", "a") as stream:
        stream.write("train,2")
    curve.cut("train", 15)
    assert rows(tmp_path)[1:] == ["train,10,1.0,0.1"]


def test_a_long_curve_is_averaged():
    points = thinned([float(step) for step in range(1000)])
    assert len(points) == POINTS
    assert points[0] == (10, 4.5)
    assert points[-1] == (1000, 994.5)
    assert thinned([]) == []


def test_blocks_fall_as_the_loss_does():
    assert sparkline([4.0, 3.0, 2.0, 1.0]) == "█▆▃▁"
    assert sparkline([1.0]) == ""
    assert sparkline([1.0, float("nan")]) == ""
    assert len(sparkline([1.0, 2.0] * 50)) <= 12


def test_a_line_for_a_person():
    assert described([]) == "0 steps"
    assert described([0.5, 0.25]) == "step 2, loss 0.3750 █▁"
