"""What gradients buy."""

from __future__ import annotations

from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.results.keys import WORST
from robustbench_seg.studies.strength.settings import EPSILONS, LADDER, rung, titled_by_loss
from robustbench_seg.studies.strength.tables import Parts

INKS = ("#1a1a1a", "#7b4a9e", "#b8860b", "#4f7a28", "#2d6a9f", "#c2477f", "#e07b39", "#b3541e")


def gradients_figure(found: Parts) -> Figure:
    """MIoU over gradients per image and ε: one panel per model and ε, one line per attack and loss."""
    canvas = titled("mIoU over gradients per image and ε")
    grid = canvas.subplots(len(found["ladder"]), len(EPSILONS), sharex=True, sharey="col", squeeze=False)
    strong = {each.model: each for each in found["strong"]}
    for row, model in zip(grid, found["ladder"], strict=True):
        for axes, epsilon in zip(row, EPSILONS, strict=True):
            for ((name, loss), ladder), ink in zip(LADDER.items(), INKS, strict=False):
                plans = [rung("semantic", name, loss, steps) for steps in ladder]
                values = [100 * model.at("semantic", plan.label, epsilon).value for plan in plans]
                axes.plot(ladder, values, color=ink, marker="o", label=titled_by_loss(name, loss))
            reached = 100 * strong[model.model].at("semantic", WORST, epsilon).value
            axes.axhline(reached, color="#1a1a1a", linestyle=(0, (4, 1.6)), linewidth=1.1, label="strong, worst case")
            axes.set_xscale("log")
            axes.set_xticks([10, 20, 40, 80], ["10", "20", "40", "80"])
            axes.minorticks_off()
            axes.set_title(f"{model.model}, ε = {epsilon:g}", fontsize=9, pad=6)
        row[0].set_ylabel("mIoU, %")
    for axes in grid[-1]:
        axes.set_xlabel("gradients")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=5)
    canvas.set_size_inches(WIDTH, 2.5 * len(grid) + 0.9)
    return canvas
