"""A small scene to attack: a net with two heads, structured images, partly void labels; and every registered case."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.corruptions.base import Drawn
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.randomness import generator
from robustbench_seg.results.keys import WORST
from robustbench_seg.tasks.registry import TASKS

CLASSES = ClassSet("tiny", ("road", "building", "person", "car", "sky"), ((0, 0, 0),) * 5)
TASK_OBJECTS = {name: TASKS.get(name)() for name in ("semantic", "depth")}
FEWER_STEPS = {
    "alma": {"steps": 4, "alpha": 4.0},
    "dag": {"steps": 12},
    "apgd": {"steps": 3},
    "square": {"queries": 8},
    "universal": {"steps": 3},
    **{name: {"steps": 5} for name in ("pgd", "hide", "segpgd", "cospgd", "mi_fgsm")},
}

FITTED_FOR = (0.25, 0.5, 1.0, 2.0, 3.0, 3.5, 4.0, 8.0, 16.0)
"""The epsilons that attacks which are fitted first are tested at."""


class TinyNet(nn.Module):
    """Logits and metres from two convolutions; batch norm and dropout show whether it runs in evaluation mode."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 12, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)
        self.drop = nn.Dropout2d(0.5)
        self.last = nn.Conv2d(12, classes + 1, 3, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.drop(F.elu(self.norm(self.first(images))))
        out = self.last(features)
        return {"semantic": 4 * out[:, :-1], "depth": 2 + 20 * torch.sigmoid(out[:, -1])}


class ColourNet(nn.Module):
    """A linear classifier of each pixel alone: the class whose colour (C,3) is the nearest.

    The logit gap of two classes changes by 2 * sharpness * (colour_a - colour_b) . (change of the pixel).
    """

    def __init__(self, colours: Tensor, sharpness: float = 100.0) -> None:
        super().__init__()
        self.colours = nn.Parameter(colours)
        self.sharpness = sharpness

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        projected = torch.einsum("ck,nkhw->nchw", self.colours, images)
        lengths = self.colours.square().sum(1).view(1, -1, 1, 1)
        return {"semantic": self.sharpness * (2 * projected - lengths), "depth": 10 + 20 * images[:, 0]}


def seeded_net(seed: int = 3) -> TinyNet:
    return copy.deepcopy(_settled(seed))


@functools.cache
def _settled(seed: int) -> TinyNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = TinyNet()
        for _ in range(20):  # settle the running statistics
            net(torch.rand(4, 3, 16, 24))
    return net.eval()


def scenery(count: int, height: int = 16, width: int = 24, seed: int = 0) -> Tensor:
    """Smooth coloured blobs with fine texture, (N,3,H,W) in [.05,.95]; image i is the same whatever the count."""
    images = []
    for i in range(count):
        g = torch.Generator().manual_seed(1000 * seed + i)
        blobs = F.interpolate(torch.rand(1, 3, 4, 5, generator=g), (height, width), mode="bilinear")[0]
        images.append(blobs + 0.1 * torch.rand(3, height, width, generator=g))
    return (torch.stack(images) / 1.1).mul(0.9).add(0.05)


@dataclass(frozen=True)
class Case:
    """One registered attack in one norm with one of its default objectives (None for noise) and a loss."""

    name: str
    norm: str
    objective: str | None
    loss: str = ""

    def attack(self) -> Perturbation:
        chosen = {"loss": self.loss} if self.loss else {}
        attack = ATTACKS.get(self.name)(**FEWER_STEPS.get(self.name, {}) | chosen)
        return fitted(self, attack) if isinstance(attack, Fitted) else attack

    @property
    def uses_labels(self) -> bool:
        return self.objective in TASK_OBJECTS

    def __str__(self) -> str:
        return "-".join(filter(None, (self.name, self.norm, self.objective, self.loss)))


@functools.cache
def fitted(case: Case, attack: Fitted) -> Fitted:
    """The attack with what it is fitted to on images that no test attacks."""
    world = make_world(2, seed=7)
    context = world.context(attack, case.objective)
    budget = BUDGETS[case.norm]
    return attack.bound({epsilon: attack.fit([(context, budget(world.images, epsilon))]) for epsilon in FITTED_FOR})


@dataclass
class World:
    """Images with labels, a net, and the problems made of them."""

    net: nn.Module
    images: Tensor
    labels: Mapping[str, Tensor]
    ids: Sequence[str]
    classes: ClassSet = CLASSES
    seed: int = 0
    tasks: Sequence[str] = ("semantic", "depth")
    precision: str = "fp32"

    @functools.cached_property
    def target_model(self) -> TargetModel:
        return TargetModel(self.net, [TASK_OBJECTS[name] for name in self.tasks], precision=self.precision)

    def reference(self) -> CleanReference:
        outputs = self.target_model.outputs(self.images)
        tasks = {name: TASK_OBJECTS[name] for name in self.tasks}
        streams = lambda purpose: [generator(self.seed, image, purpose) for image in self.ids]  # noqa: E731
        return CleanReference(outputs, self.labels, tasks, self.classes, "none", streams)

    def adversarial_loss(self, attack: Perturbation, objective: str) -> AdversarialLoss:
        reference = self.reference()
        (found,) = attack.objectives([objective], reference.tasks)
        return attack.adversarial_loss(found, reference)

    def context(self, attack: Perturbation, objective: str | None) -> AttackContext:
        adversarial_loss = self.adversarial_loss(attack, objective) if objective else None
        target_model = self.target_model if objective else None
        return AttackContext(
            self.images, self.ids, seed=self.seed, target_model=target_model, adversarial_loss=adversarial_loss
        )

    def attacked(self, case: Case, epsilon: float, attack: Perturbation | None = None) -> Tensor:
        attack = attack or case.attack()
        return attack(self.context(attack, case.objective), epsilon, case.norm)

    def part(self, indices: Sequence[int]) -> World:
        """The same world with only these images, in this order."""
        index = list(indices)
        labels = {key: value[index] for key, value in self.labels.items()}
        ids = [self.ids[i] for i in index]
        return World(self.net, self.images[index], labels, ids, self.classes, self.seed, self.tasks, self.precision)


def labelled(net: nn.Module, images: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Labels near the net's own predictions, with wrong and void pixels."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        outputs = net(images)
    semantic = outputs["semantic"].argmax(1)
    draw = torch.rand(semantic.shape, generator=g)
    semantic = torch.where(draw < 0.2, torch.randint(0, 5, semantic.shape, generator=g), semantic)
    depth = outputs["depth"] * (0.7 + 0.6 * torch.rand(semantic.shape, generator=g))
    return {
        "semantic": torch.where(draw > 0.9, VOID, semantic),
        "depth": torch.where(draw > 0.85, torch.zeros_like(depth), depth),
    }


def make_world(count: int = 3, **scene: int) -> World:
    net = seeded_net()
    images = scenery(count, **scene)
    return World(net, images, labelled(net, images), [f"image {i}" for i in range(count)])


@pytest.fixture
def world() -> World:
    """Three images."""
    return make_world()


@pytest.fixture
def worlds():
    """A factory of worlds: `worlds(count, height=, width=)`."""
    return make_world


@pytest.fixture
def world_of():
    """A factory of worlds around a net and images of one's own."""

    def make(net: nn.Module, images: Tensor, labels: Mapping[str, Tensor], **more: object) -> World:
        return World(net, images, labels, [f"image {i}" for i in range(len(images))], **more)

    return make


@pytest.fixture
def painted(world_of):
    """A factory of worlds where each pixel has the colour of its class: `painted(map (H,W)[, labels (H,W)])`."""
    colours = torch.tensor([[0.3, 0.5, 0.5], [0.7, 0.5, 0.5], [0.5, 0.4, 0.5], [0.5, 0.6, 0.5], [0.5, 0.5, 0.7]])

    def make(classes: Tensor, labels: Tensor | None = None) -> World:
        images = colours[classes].permute(2, 0, 1)[None].contiguous()
        truth = {"semantic": (classes if labels is None else labels)[None], "depth": 10 + 20 * images[:, 0]}
        return world_of(ColourNet(colours), images, truth)

    return make


@pytest.fixture
def case_of():
    """A factory of cases: `case_of("pgd", "linf", "semantic")`."""
    return Case


def all_cases() -> list[Case]:
    cases = []
    for name in list(ATTACKS):
        if name == WORST or (name == "alma" and not advlib.is_installed()):  # cannot be run
            continue
        attack = ATTACKS.get(name)()
        objectives = [objective.name for objective in attack.objectives(None, TASK_OBJECTS)] or [None]
        cases += [Case(name, norm, objective) for norm in attack.norms for objective in objectives]
    return cases


def loss_cases() -> list[Case]:
    """Every attack whose loss is a parameter, with every loss that its first objective's task has."""
    first = {case.name: case for case in reversed(all_cases()) if not getattr(case.attack(), "loss", "no loss")}
    tasks = {case.name: TASK_OBJECTS[(case.objective or "").rpartition("@")[2]] for case in first.values()}
    return [
        replace(case, loss=loss) for case in first.values() for loss in tasks[case.name].attack_losses if loss != "ce"
    ]


def is_random(case: Case) -> bool:
    """Whether the noise draws anything: some corruptions change every image in one way."""
    return getattr(case.attack(), "drawn", None) is not Drawn.NEVER


FILTERS = {
    "case": lambda case: True,
    "bounded_case": lambda case: case.norm != "none",
    "noise_case": lambda case: case.objective is None and case.norm == "rms",
    "random_case": lambda case: case.objective is None and case.norm == "rms" and is_random(case),
    "gradient_case": lambda case: case.objective is not None,
    "label_case": lambda case: case.uses_labels,
    "running_case": lambda case: case.objective is not None and not isinstance(case.attack(), Fitted),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every registered attack, norm and default objective: a new attack is tested the day it is added.

    Objectives besides an attack's first one are tested with the slow tests.
    """
    for argument, wanted in FILTERS.items():
        if argument in metafunc.fixturenames:
            cases = [case for case in all_cases() if wanted(case)]
            first = {(case.name, case.norm): case for case in reversed(cases)}
            marks = {case: () if case in first.values() else pytest.mark.slow for case in cases}
            metafunc.parametrize(argument, [pytest.param(case, id=str(case), marks=marks[case]) for case in cases])
    if "loss_case" in metafunc.fixturenames:
        metafunc.parametrize("loss_case", loss_cases(), ids=str)
