"""`robustseg evaluate`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_seg.allocator import keep_freed_memory
from robustbench_seg.cli.exit_codes import exit_code
from robustbench_seg.cli.options import load_plugins, parse_epsilons, parse_setting, plugin_option
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.engines.start_method import warm_up

if TYPE_CHECKING:
    from robustbench_seg.evaluation.config import EvaluationConfig
    from robustbench_seg.evaluation.estimate import Estimate
    from robustbench_seg.evaluation.prepare import PreparedEvaluation
    from robustbench_seg.evaluation.spec import ModelSpec
    from robustbench_seg.protocol import Protocol
    from robustbench_seg.results.run import Run

DEFAULT_MODELS = ("street-single", "street-multi")
DEFAULT_DATASET = "street"
DEFAULT_PROTOCOL = "quick"
_OWN = (
    "weights",
    "ignore_unexpected",
    "normalize",
    "input_scale",
    "channel_order",
    "depth_align",
    "pad_to",
    "input_size",
    "classes",
    "outputs",
)
_AS_GIVEN = (
    *("limit", "budget", "seed", "device", "precision", "compile", "plain", "fast", "eot"),
    *("engine", "workers", "timeout", "save_images", "quantise", "plugins"),
)
"""Options that are fields of an `EvaluationConfig` as they stand."""

_OWN_OPTIONS = (
    click.option(
        "--weights",
        metavar="FILE[:KEY]",
        help="Your model: safetensors or what torch.save wrote; KEY is an entry of it, such as model_ema.",
    ),
    click.option(
        "--ignore-unexpected",
        is_flag=True,
        help="Your model: leave out weights that the network lacks (losses, heads).",
    ),
    click.option(
        "--normalize",
        help="Your model: imagenet, half, none or 'mean=r,g,b;std=r,g,b', red first whatever its channel order, "
        "in units of --input-scale (default imagenet).",
    ),
    click.option(
        "--input-scale",
        type=click.Choice(["1", "255"]),
        help="Your model: it takes values in 0..1 or 0..255 before normalisation (default 1).",
    ),
    click.option(
        "--channel-order",
        type=click.Choice(["rgb", "bgr"]),
        help="Your model: order of its channels (default rgb).",
    ),
    click.option(
        "--pad-to",
        type=click.IntRange(1),
        metavar="N",
        help="Your model: pad images to multiples of N and crop its outputs.",
    ),
    click.option(
        "--input-size", metavar="HxW", help="Your model: resize images to that size, and its outputs back to theirs."
    ),
    click.option(
        "--classes",
        multiple=True,
        metavar="[NAME=]SET",
        help="Your model: cityscapes19 (the default), camvid11, voc21, ade20k150, mapillary65 or a .toml file; "
        "NAME=SET of one output.",
    ),
    click.option(
        "--output",
        "outputs",
        multiple=True,
        metavar="TASK=KEY[:inverse]",
        help="Your model: where each task's output is; NAME=TASK:KEY for one of several outputs of a task.",
    ),
    click.option(
        "--depth-align",
        metavar="none|median|affine",
        help="Your model: its depth is in metres, or of unknown scale, or inverse depth of unknown scale and shift "
        "(default none, of :inverse median).",
    ),
)


def own_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how your own model is loaded and called."""
    for option in reversed(_OWN_OPTIONS):
        command = option(command)
    return command


@click.command("evaluate")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    help="Catalogue name, a folder DIR/NAME that train wrote, FILE.py:factory, package:factory, hf:FOLDER, "
    "smp:ARCH/ENCODER, torchvision:NAME or onnx:FILE.",
)
@click.option("-d", "--dataset", "datasets", multiple=True, metavar="NAME[:ROOT]", help="Data set, with its folder.")
@click.option("-p", "--protocol", help=f"Named protocol or a .toml file (default {DEFAULT_PROTOCOL}).")
@click.option(
    "-a",
    "--attack",
    "attacks",
    multiple=True,
    help="Attack (also torchattacks:CLASS, advlib:NAME); alone it makes a protocol, with -p it narrows it.",
)
@click.option(
    "-e", "--epsilon", "epsilons", multiple=True, metavar="EPS,EPS", help="Perturbation budgets ε, in units of 1/255."
)
@click.option("--split", help="Split of the data sets (default val).")
@click.option("--tasks", metavar="TASK,TASK", help="Only these tasks.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N images.")
@click.option("--budget", type=float, metavar="MINUTES", help="Only as many of them as fit, by the estimate.")
@click.option("--batch-size", default="auto", show_default=True, metavar="N|auto")
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "tf32", "bf16"]),
    default="fp32",
    show_default=True,
    help="Of gradients (tf32: on a GPU alone); scores are always fp32.",
)
@click.option("--compile", is_flag=True, help="torch.compile the model; slow to start.")
@click.option("--plain", is_flag=True, help="Run the model as it is: no folded BatchNorm, no channels-last layout.")
@click.option(
    "--fast",
    is_flag=True,
    help="Find out on the first images how gradients are fastest at the same strength: TF32, bf16, compiled, ...",
)
@click.option(
    "--eot",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Gradients are means over N draws, for models whose output is random.",
)
@own_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Print what would be done and an estimate; do nothing.")
@click.option("--save-images", is_flag=True, help="Keep every perturbed image as PNG (rounded to 8 bits).")
@click.option(
    "--quantise",
    is_flag=True,
    help="Score perturbed images also rounded to 8 bits, as files hold them: ε = 0.25 vanishes, 0.5 and 0.75 become 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--engine", default="local", show_default=True, metavar="local|ray", help="How work is spread.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Workers (default: one per core, one on a GPU).")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=0,
    metavar="SECONDS",
    help="Stop a worker that takes longer over one batch of images, and try again (default: never).",
)
@plugin_option
@click.option(
    "--set", "settings", multiple=True, metavar="NAME.PARAM=VALUE", help="Change a parameter of an attack or task."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="RUN", help="Run folder; given again it resumes.")
def evaluate_command(**options: Any) -> None:
    """Evaluate models under attacks and leave a report.

    Without -m and -d: the shipped single- and multi-task pair on the embedded data, in minutes.
    """
    keep_freed_memory()
    load_plugins(options["plugins"])
    folder = options["out"]
    if folder is not None:
        # Before the options are read: what they name may be a plugin's.
        _refuse_without_plugins(folder)
    config = build_config(options)
    if folder is None:
        folder = Path(default_folder(config))
        _refuse_without_plugins(folder)
    if options["engine"] == "local" and options["workers"] != 1 and not options["dry_run"]:
        warm_up()
    from robustbench_seg.evaluation.prepare import PreparedEvaluation
    from robustbench_seg.evaluation.run import run_evaluation
    from robustbench_seg.report.write import write_report

    if not options["as_json"]:
        click.echo(f"loading {_names(config.models)} on {_names(config.datasets)}")
    prepared = PreparedEvaluation(config, folder)
    if options["dry_run"]:
        _print_plan(prepared, prepared.estimate_left(folder), options["as_json"])
        return
    from robustbench_seg.cli.progress import progress_reporter

    foretold: list[Estimate] = []

    def on_start(estimate: Estimate) -> None:
        foretold.append(estimate)
        if not options["as_json"]:
            _print_estimate(prepared.measured_notes, estimate)

    with progress_reporter(options["as_json"]) as report_progress:
        run = run_evaluation(prepared, folder, report_progress, on_start)
    page = write_report(run)
    if options["as_json"]:
        files = {"run": str(folder), "report": str(page)}
        click.echo(json.dumps({**files, **_result(run), "estimate": asdict(foretold[0])}))
    else:
        _print_run(run, page)
    click.get_current_context().exit(exit_code(run.rows))


def _result(run: Run) -> dict[str, Any]:
    """What a machine is told of a run beside its files."""
    from robustbench_seg.report.outcomes import listed
    from robustbench_seg.results.findings import doubts_of

    doubts = doubts_of(run.rows)
    return {
        "failed": any(row.failed for row in run.rows),
        "verdict": "; ".join(doubts) or "ok",
        "findings": [finding.to_json() for finding in run.findings],
        "notes": run.info["notes"],
        "targets": listed(run.rows),
        "scores": [asdict(score) for score in run.score_rows],
        "corruptions": [asdict(row) for row in run.corruption_rows],
    }


def _refuse_without_plugins(folder: Path) -> None:
    """InputError where the run that is continued needs a plugin that is not here, whatever it brought."""
    if (folder / "run.json").is_file():
        from robustbench_seg.plugins import refuse_missing
        from robustbench_seg.registries import REGISTRIES
        from robustbench_seg.results.run import Run

        try:
            info = Run(folder).info
        except InputError:
            return  # a damaged run.json is written again
        refuse_missing(folder, info, REGISTRIES)


def build_config(options: dict[str, Any]) -> EvaluationConfig:
    """The evaluation that the options ask for; UsageError where options do not fit each other."""
    from robustbench_seg.evaluation.config import EvaluationConfig
    from robustbench_seg.evaluation.spec import DataSpec

    datasets = options["datasets"] or (DEFAULT_DATASET,)
    return EvaluationConfig(
        models=model_specs(options["models"] or DEFAULT_MODELS, options),
        datasets=[DataSpec.parse(text, options["split"]) for text in datasets],
        protocol=_protocol(options),
        tasks=_tasks(options["tasks"], options["outputs"]),
        batch_size=_batch_size(options["batch_size"]),
        **{name: options[name] for name in _AS_GIVEN},
        given={k: str(v) if isinstance(v, Path) else v for k, v in options.items() if v not in (None, (), False)},
    )


def default_folder(config: EvaluationConfig) -> str:
    """`runs/MODELS_DATASETS_PROTOCOL`, safe as a file name."""
    parts = (_names(config.models), _names(config.datasets), config.protocol.name)
    return "runs/" + re.sub(r"[^A-Za-z0-9.+-]+", "-", "_".join(parts)).strip("-")[:120]


def _names(specs: Sequence[Any]) -> str:
    return "+".join(spec.name for spec in specs)


def model_specs(names: Sequence[str], options: dict[str, Any]) -> list[ModelSpec]:
    """Models by name; UsageError where own-model options meet anything but one own model."""
    from robustbench_seg.evaluation.spec import ModelSpec, is_own_model

    given = {key: options[key] for key in _OWN if options[key] not in (None, (), False)}
    own = [name for name in names if is_own_model(name)]
    if given and (len(names) != 1 or not own):
        listed = ", ".join("--output" if key == "outputs" else f"--{key.replace('_', '-')}" for key in given)
        raise UsageError(f"{listed}: for exactly one -m of your own code (FILE.py:factory), not {', '.join(names)}")
    if "input_scale" in given:
        given["input_scale"] = int(given["input_scale"])
    return [ModelSpec.parse(name, given if name in own else None) for name in names]


def _protocol(options: dict[str, Any]) -> Protocol:
    from robustbench_seg.protocol import PROTOCOLS, read_protocol
    from robustbench_seg.protocol_options import from_options, narrow, override

    attacks = options["attacks"]
    epsilons = [parse_epsilons(text) for text in options["epsilons"]]
    if attacks and not options["protocol"]:
        protocol = from_options(attacks, epsilons)
    else:
        name = options["protocol"] or DEFAULT_PROTOCOL
        protocol = read_protocol(Path(name)) if name.endswith(".toml") else PROTOCOLS.get(name)
        protocol = narrow(protocol, attacks, [epsilon for grid in epsilons for epsilon in grid])
    return override(protocol, [parse_setting(text) for text in options["settings"]])


def _tasks(text: str | None, outputs: Sequence[str]) -> list[str] | None:
    """The tasks asked for; what `outputs` call otherwise may be asked for by that name."""
    if text is None:
        return None
    from robustbench_seg.models.adapters.outputs import OutputSpec
    from robustbench_seg.registry import unknown
    from robustbench_seg.tasks.names import kind_of, label_of
    from robustbench_seg.tasks.registry import TASKS

    called = {label_of(task): task for task in (OutputSpec.parse(output).task for output in outputs)}
    names = [called.get(name, name) for name in text.split(",")]
    for name in names:
        if kind_of(name) not in TASKS:
            raise UsageError(unknown("task", name, [*filter(None, called), *TASKS], "robustseg list tasks"))
    return names


def _batch_size(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch-size {text}: give a whole number >= 1, or auto")
    return int(text)


def _print_plan(prepared: PreparedEvaluation, estimate: Estimate, as_json: bool) -> None:
    notes = prepared.plan.notes
    if as_json:
        click.echo(json.dumps(asdict(estimate) | {"notes": list(notes)}))
        return
    for note in notes:
        click.echo(f"note: {note}")
    _print_estimate((), estimate)


def _print_estimate(notes: Sequence[str], cost: Estimate) -> None:
    from robustbench_seg.cli.progress import duration

    for note in notes:
        click.echo(f"note: {note}")
    if not cost.cells:
        click.echo("nothing left to do")
        return
    click.echo(
        f"{'left: ' if cost.resumes else ''}{cost.cells} cells over {cost.images} images: {cost.gradients} gradients, "
        f"{cost.forwards} forwards; "
        f"about {duration(cost.seconds)} with {cost.workers} worker(s), {cost.megabytes:.1f} MB"
    )


def _print_run(run: Run, page: Path) -> None:
    from rich.console import Console

    from robustbench_seg.report.text import finding_line, terminal_tables

    console = Console()
    for table in terminal_tables(run):
        console.print(table)
    for finding in (each for each in run.findings if each.is_wrong):
        click.echo(finding_line(finding))
    for note in run.info["notes"]:
        click.echo(f"note: {note}")
    for error, count in run.info["failures"].items():
        click.echo(f"failed: {count} results: {error}; give the command again to try them again")
    click.echo(f"report: {page}")
