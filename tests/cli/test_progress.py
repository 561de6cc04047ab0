import sys

import pytest

from robustbench_seg.cli import progress
from robustbench_seg.cli.progress import duration, progress_reporter, training_progress
from robustbench_seg.evaluation.progress import Progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (5399, "90 min"), (5400, "1.5 h"), (90000, "25.0 h")],
)
def test_a_time_in_its_unit(seconds, text):
    assert duration(seconds) == text


def test_a_line_now_and_then_says_what_is_left(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress_reporter(quiet=False) as report:
        for now[0], done, left in ((0, 0, 600), (3, 0, 597), (12, 0, 588), (30, 1, 300), (700, 1, 0), (705, 2, 0)):
            report(Progress(done, 2, left))
    assert capsys.readouterr().err.splitlines() == [
        "0/2 batches, 0 s, about 10 min left",
        "0/2 batches, 12 s, about 10 min left",
        "1/2 batches, 30 s, about 5 min left",
        "1/2 batches, 700 s, longer than estimated",
        "2/2 batches, 705 s",
    ]


def test_machines_are_told_nothing(capsys):
    with progress_reporter(quiet=True) as report:
        report(Progress(0, 2, 10))
    assert capsys.readouterr() == ("", "")


def test_training_says_the_loss(capsys):
    with training_progress() as report:
        report(1, 1, 0.25)
    assert capsys.readouterr().err == "1/1 steps, 0 s, loss 0.2500\n"


def test_a_terminal_has_a_bar_which_leaves_what_is_printed_before_alone(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_reporter(quiet=False) as report:
        print("before")
        report(Progress(0, 2, 600))
        report(Progress(2, 2, 0))
    out, err = capsys.readouterr()
    assert out == "before\n"
    assert "2/2" in err
