"""Tables of the study: groups beside one another, beside the mean, and while other tasks are attacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from robustbench_seg.report.cells import DASH, Cell, Line, Table, text_cells
from robustbench_seg.report.comparison import Scale
from robustbench_seg.report.section import Part
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.names import curve_metric, metric_of, task_name
from robustbench_seg.studies.by_task import DELTA, ByTask
from robustbench_seg.studies.densemtl2023.settings import BASELINES, NONE, SCALES, SPREAD, TASKS, WORLD, Setting
from robustbench_seg.studies.grouped import Grouped, Place
from robustbench_seg.studies.tables import group_lines
from robustbench_seg.studies.trainings import training_table


def setting_parts(setting: Setting, results: ByTask, paper: Mapping[str, Any]) -> list[Part]:
    """The groups side by side, the paper's, and what was trained."""
    published = paper["published"].get(setting.name, {})
    lines = [Line(name, "", text_cells(*row)) for name, row in published.get("rows", {}).items()]
    theirs = [Table(published["caption"], "paper", tuple(published["heads"]), tuple(lines))] if published else []
    trained = training_table(setting.experiment.trainings)
    return [Part(tables=[groups_table(setting, results), *theirs]), Part("Trainings", tables=[trained], is_open=False)]


def groups_table(setting: Setting, results: ByTask) -> Table:
    """Every group's metrics with their differences to the first group, and Δ."""
    gains = {gain.second: gain for gain in results.gains(setting.first) if gain.attack == CLEAN}
    by_task = {task: results.against[setting.first, task] for task in results.scales}
    lines = []
    for group in next(iter(by_task.values())).groups:
        cells = [group_cell(grouped, group, setting.dataset, SCALES[task]) for task, grouped in by_task.items()]
        gain = gains.get(group)
        delta = Cell(DASH) if gain is None else with_intervals(DELTA.signed(gain.gain), gain.intervals, DELTA)
        lines.append(Line(group, "", (*cells, delta)))
    caption = f"Clean on {setting.dataset}, with the difference to {setting.first}, n = {results.n_images} images"
    return Table(caption, "network", (*map(head, by_task), "Δ, %"), tuple(lines))


def head(task: str) -> str:
    """A task with its metric, the unit and what is better."""
    metric = metric_of(task, curve_metric(task))
    better = "higher is better" if metric.higher_is_better else "lower is better"
    return f"{task_name(task)}, {metric.title} ({', '.join(filter(None, (SCALES[task].unit, better)))})"


def group_cell(grouped: Grouped, group: str, dataset: str, scale: Scale) -> Cell:
    """A group's number, and its difference to the first group."""
    place = Place(dataset)
    each, difference = grouped.each(group, place), grouped.difference(group, place)
    if not each:
        return Cell(DASH)
    number = scale.number(grouped.mean(group, place))
    if difference is None:
        return Cell(number, (f"seeds {', '.join(map(scale.number, each))}",) if len(each) > 1 else ())
    return with_intervals(number, difference.intervals, scale, scale.signed(difference.difference))


def with_intervals(number: str, intervals: Mapping[str, Any], scale: Scale, *first: str) -> Cell:
    """A number, with what its intervals are under it."""
    return Cell(number, (*first, *(f"{name} {scale.bracket(bounds)}" for name, bounds in intervals.items())))


def means(results: ByTask, baselines: Grouped) -> Iterator[Table]:
    """Every task that has a mean: what predicts it, and every group."""
    for task in BASELINES.tasks:
        metric, scale = metric_of(task, curve_metric(task)), SCALES[task]
        ours, constants = results.against[NONE, task], Grouped(baselines.run, baselines.groups, metric.name)
        values = {name: each.each(name, Place(WORLD)) for each in (constants, ours) for name in each.groups}
        lines = [
            Line(name, "", text_cells(*(scale.number(end) for end in (min(known), max(known)))))
            for name, known in values.items()
            if known
        ]
        yield Table(f"{task_name(task)}: {metric.title}, {scale.unit}", "model", ("best", "worst"), tuple(lines))


def spread_table(results: ByTask, task: str) -> Table:
    """Q of a task by which one is attacked, of every group with its difference to no exchange."""
    places = [Place(WORLD, "apgd", SPREAD, "" if other == task else other) for other in TASKS]
    grouped = results.against[NONE, task]
    lines = group_lines(grouped, places, str, "")
    return Table(f"{task_name(task)}: Q in per cent", "network", tuple(map(task_name, TASKS)), tuple(lines))
