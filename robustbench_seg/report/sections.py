"""The shorter sections of a page: how to read it, the sanity verdict, tasks, targets, pictures, costs, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robustbench_seg.report.figures import figures
from robustbench_seg.report.outcomes import EXPLAINED
from robustbench_seg.report.pictures import gallery
from robustbench_seg.report.section import FigureFile, Material, Part, Section
from robustbench_seg.report.tables import cost_tables, hidden_classes, other_pivots, per_class, pivot, targets
from robustbench_seg.report.views import View
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.intervals import MIN_IMAGES
from robustbench_seg.results.keys import ROUNDED, severity_of
from robustbench_seg.results.names import epsilon_text
from robustbench_seg.results.rows import Row

_Q = (
    "Q is the retained performance, the share of the clean metric under a perturbation: 1 is unharmed, 0 is all lost "
    "(perturbed / clean where higher is better, clean / perturbed where lower is better, such as RMSE). The horizontal "
    "axis is the strength of the perturbation: ε in units of 1/255, or the realised signal-to-noise ratio. A curve "
    "that stays high further to the right is a more robust model; of two perturbations at one signal-to-noise ratio, "
    "the lower curve is the more harmful direction."
)
_BANDS = (
    "Bands are 95 % intervals: where Q would lie over all images of the kind. Where those of two models overlap, the "
    "paired difference decides whether they are statistically distinguishable. Over fewer than {} images there is no "
    "verdict."
)
_AMPLIFIED = (
    "Each perturbation is amplified to the same contrast around grey, so a weak one looks as strong as a strong one."
)
_COSTS = "Image passes through the model, and time, summed over the strengths; an attack may share work among them."
_ROUNDED = (
    "Curves called 8 bit are of the same perturbed images rounded as a PNG stores them: a change of 0.25 vanishes, one "
    "of 0.5 or 0.75 becomes 1."
)
_UNROUNDED = "Images stored with 8 bits would not hold ε = {}: --quantise scores them as they would be stored."
UNCHECKED = Finding(
    "unchecked",
    "note",
    "Not checked",
    "The run has no findings.json; `robustseg report` makes it from the store.",
)
_CELLS = (
    "Under each Q stand its 95 % interval and the metric itself. A dash alone: not in the protocol. ✗ names a check "
    "that doubts the number."
)


def reading(material: Material) -> Sequence[Section]:
    """How to read a curve, and how its intervals were made."""
    known = material.run.info.get("intervals", {})
    made = [f"On {dataset}: {sentence}." for dataset, sentence in known.items()]
    how = made or ["run.json does not say how the intervals were made."]
    intro = (_Q, _BANDS.format(MIN_IMAGES), *how, *_stored(material.run.rows))
    return [Section("reading", "How to read", "How to read a Q curve", intro)]


def _stored(rows: Sequence[Row]) -> Iterator[str]:
    """What rounding to 8 bits does, where the rows have it or miss it."""
    fractional = sorted({row.epsilon for row in rows if row.epsilon and row.epsilon % 1})
    if any(row.scored == ROUNDED for row in rows):
        yield _ROUNDED
    elif fractional:
        yield _UNROUNDED.format(", ".join(map(epsilon_text, fractional)))


def sanity(material: Material) -> Sequence[Section]:
    """What the checks found, the worst first, and the notes of the run."""
    notes = material.run.info.get("notes", [])
    findings = material.run.findings or [UNCHECKED]
    return [Section("sanity", "Checks", "Can the numbers be believed?", notes=notes, findings=findings)]


def tasks(material: Material) -> Sequence[Section]:
    """One section per task and data set: its curves, then Q by perturbation and strength, other metrics, classes."""
    views = [view for view in material.views if view.perturbed or not view.graded]
    shown = enumerate(zip(views, figures(views, material.caveats), strict=True))
    return [_task(material, index, view, files) for index, (view, files) in shown]


def _task(material: Material, index: int, view: View, files: Sequence[FigureFile]) -> Section:
    rows = [row for row in material.run.class_rows if row.metric == view.metric and severity_of(row.attack) is None]
    classes = [table for model in view.models if (table := per_class(view, rows, model))]
    parts = [
        Part("Q by perturbation and strength", files, [pivot(view, model) for model in view.models]),
        Part("Other metrics of this task", tables=other_pivots(material.run.rows, view), is_open=False),
        Part("Class by class", tables=classes, is_open=index == 0),
    ]
    return Section(f"task-{index}", view.title, view.title, [_CELLS], [part for part in parts if part.tables])


def targeted(material: Material) -> Sequence[Section]:
    """What targeted attacks reached."""
    metrics = {view.metric for view in material.views}
    hidden = hidden_classes([row for row in material.run.class_rows if row.metric in metrics])
    tables = [table for table in (targets(material.run.rows), hidden) if table]
    title = "Targeted attacks"
    return [Section("targets", title, title, [EXPLAINED], [Part(tables=tables)])] if tables else []


def pictures(material: Material) -> Sequence[Section]:
    """Images with what was predicted, those of the first image open."""
    sets = gallery(material.run.panels())
    parts = [Part(image, pictures=shown, is_open=i == 0) for i, (image, shown) in enumerate(sets.items())]
    return [Section("pictures", "Pictures", "Pictures", [_AMPLIFIED], parts)] if parts else []


def costs(material: Material) -> Sequence[Section]:
    """What the run cost."""
    tables = cost_tables(material.run.cost_rows)
    return [Section("costs", "Costs", "Costs", [_COSTS], [Part(tables=tables)])] if tables else []


def provenance(material: Material) -> Sequence[Section]:
    """Everything that run.json knows."""
    info = material.run.info
    nested = {key: value for key, value in info.items() if isinstance(value, (dict, list))}
    plain = {key: value for key, value in info.items() if key not in nested}
    return [Section("provenance", "Provenance", "Provenance", trees={"the run": plain, **nested})]
