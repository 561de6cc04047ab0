"""The runs of a study: which models are evaluated on which data under which attacks; each resumes in its own folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.progress import Progress
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.protocol_options import narrow
from robustbench_seg.results.run import Run
from robustbench_seg.studies.grouped import Grouped
from robustbench_seg.studies.trainings import Training, obtain


@dataclass(frozen=True)
class Options:
    """What the command line says; trainings and runs lie in `work`."""

    work: Path
    device: str = "auto"
    workers: int = 0
    limit: int | None = None
    announce: Callable[[str], None] = print


@dataclass(frozen=True)
class Experiment:
    """Groups of trainings on data sets, under some of a protocol's attacks and ε (empty: all of them).

    `metric` of `tasks` (empty: all) is what the study looks at; `others` are untrained models by group; `limit` is how
    many images it looks at (None: all).
    """

    name: str
    protocol: str
    groups: Mapping[str, Sequence[Training]]
    datasets: Sequence[DataSpec]
    tasks: Sequence[str]
    metric: str
    attacks: tuple[str, ...] = ()
    epsilons: tuple[float, ...] = ()
    others: Mapping[str, InMemory] | None = None
    limit: int | None = None

    @property
    def trainings(self) -> list[Training]:
        """All of them."""
        return [training for group in self.groups.values() for training in group]

    def results(self, options: Options, root: str | None = None) -> Grouped:
        """The results; what is trained or evaluated already is not done again. `root` is the labelled data's folder."""
        others = dict(self.others or {})
        models = [obtain(training, options.work, options.device, options.announce, root) for training in self.trainings]
        run = evaluated(self, [*others.values(), *models], options.work / "runs" / self.name, options)
        groups = {kind: [model.name] for kind, model in others.items()}
        groups |= {kind: [training.name for training in group] for kind, group in self.groups.items()}
        return Grouped(run, groups, self.metric)


def evaluated(experiment: Experiment, models: Sequence[ModelSpec | InMemory], folder: Path, options: Options) -> Run:
    """The run of an experiment in a folder; given again it resumes."""
    limit = min((known for known in (experiment.limit, options.limit) if known), default=None)
    config = EvaluationConfig(
        models=models,
        datasets=experiment.datasets,
        protocol=narrow(PROTOCOLS.get(experiment.protocol), experiment.attacks, experiment.epsilons),
        tasks=experiment.tasks or None,
        limit=limit,
        device=options.device,
        workers=options.workers,
        in_process=bool(experiment.others),
        given={"study": experiment.protocol, "part": experiment.name, "limit": limit},
    )
    return run_evaluation(PreparedEvaluation(config, folder), folder, announced(experiment.name, options.announce))


def announced(name: str, announce: Callable[[str], None]) -> Callable[[Progress], None]:
    """A function to call as often as one likes with the progress of a run, which is announced where it changed."""
    known = [-1]

    def report(progress: Progress) -> None:
        if progress.done != known[0]:
            known[0] = progress.done
            announce(f"{name}: {progress.done} of {progress.total} batches")

    return report
