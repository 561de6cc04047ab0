from __future__ import annotations

import io

from rich.console import Console

from robustbench_seg.training.progress import reporting


def test_plain_lines_are_few():
    out = io.StringIO()
    with reporting("net", Console(file=out)) as report:
        for step in range(1, 1001):
            report(step, 1000, 0.5)
    lines = out.getvalue().splitlines()
    assert len(lines) == 50
    assert lines[-1] == "net: step 1000/1000, loss 0.5000"


def test_bar_on_a_terminal():
    out = io.StringIO()
    with reporting("net", Console(file=out, force_terminal=True, width=100)) as report:
        report(5, 10, 0.25)
    assert "5/10" in out.getvalue()
