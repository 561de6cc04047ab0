"""adv-lib's attacks on segmentation are its own on the bare net; those on classifiers are refused."""

from __future__ import annotations

import ast
import importlib.util
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.attacks.sources.advlib import AdvLib
from robustbench_seg.attacks.sources.base import Refused
from robustbench_seg.classes import VOID
from robustbench_seg.errors import UsageError

KNOWN = AdvLib.attacks
WORKING = [name for name, how in KNOWN.items() if not isinstance(how, Refused)]
SWAP = "swap:person,car@semantic"
needs_advlib = pytest.mark.skipif(not advlib.is_installed(), reason="needs adv-lib: pip install --no-deps adv-lib")


class Logits(nn.Module):
    """The semantic logits alone."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)["semantic"]


def few(name: str, **more: object):
    """The attack with few steps."""
    return make_attack(f"advlib:{name}", {"max_iter" if name == "dag" else "num_steps": 6} | more)


def objective(name: str) -> str:
    return SWAP if name == "asma" else "semantic"


def perturbed(world, attack, wanted: str) -> Tensor:
    return attack(world.context(attack, wanted), math.inf)


@needs_advlib
@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("pdgd", {"primal_lr": 0.02}, {"primal_lr": 0.02}),
        ("pdpgd", {"dual_ratio_init": 1e-4}, {"dual_ratio_init": 1e-4, "norm": math.inf}),
        ("dag", {"gamma": 0.1, "adv_threshold": 0.5}, {"γ": 0.1, "adv_threshold": 0.5}),
        ("alma_prox", {"lr_init": 0.01, "alpha": 0.7, "scale_init": 1}, {"lr_init": 0.01, "α": 0.7}),
    ],
)
def test_it_is_the_librarys_own_on_the_bare_net(worlds, name, ours, theirs):
    """Whose masks leave out the void pixels that ours never sees."""
    world, attack = worlds(2), few(name, **ours)
    found = perturbed(world, attack, "semantic")
    function = advlib.load(f"attacks/segmentation/{'dense_adversary' if name == 'dag' else _file(name)}")
    steps = {"max_iter" if name == "dag" else "num_steps": 6}
    for i in range(2):
        label = world.labels["semantic"][i : i + 1]
        expected = getattr(function, name)(
            Logits(world.net), world.images[i : i + 1], label, masks=label != VOID, **theirs, **steps
        )
        torch.testing.assert_close(found[i : i + 1], expected, rtol=0, atol=1e-5)
        assert (found[i] - world.images[i]).abs().max() > 1 / 255


def _file(name: str) -> str:
    return "alma_prox" if name == "alma_prox" else "primal_dual_gradient_descent"


@needs_advlib
def test_a_swap_turns_one_class_into_the_other(painted):
    """Person (2) and car (3) are .2 apart in one channel."""
    classes = torch.tensor([[0, 0, 2, 2, 2, 1], [0, 3, 3, 2, 2, 1], [4, 3, 3, 0, 0, 1], [4, 4, 0, 0, 1, 1]])
    world = painted(classes)
    attack = make_attack("advlib:pdgd", {"num_steps": 40, "primal_lr": 0.02, "adv_threshold": 1})
    predicted = world.target_model.outputs(perturbed(world, attack, SWAP))["semantic"].argmax(1)[0]
    assert (predicted[classes == 2] == 3).all()
    assert (predicted[classes == 3] == 2).all()


@needs_advlib
@pytest.mark.parametrize("name", WORKING)
def test_it_leaves_all_as_it_was(worlds, name):
    world, attack = worlds(2), few(name, **({"random_init": 0.01} if name.startswith("pd") else {}))
    net = world.net.train()
    net.last.weight.requires_grad_(False)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    random_states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    kept = world.images.clone()
    context = world.context(attack, objective(name))
    before = world.target_model.cost
    x = attack(context, math.inf)
    assert world.target_model.cost.backwards - before.backwards <= 2 * attack.num_gradients([math.inf])
    assert torch.equal(world.images, kept)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(part.training for part in net.modules())
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["last.weight"]
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), random_states[0])
    assert np.array_equal(np.random.get_state()[1], random_states[1])
    assert random.getstate() == random_states[2]
    assert x.min() >= 0
    assert x.max() <= 1
    assert context.reached().all()
    assert torch.equal(perturbed(world.part([1]), attack, objective(name)), x[1:])


@needs_advlib
@pytest.mark.parametrize("name", [name for name in KNOWN if name not in WORKING])
def test_the_others_are_refused_with_the_reason(name):
    with pytest.raises(UsageError) as raised:
        make_attack(f"advlib:{name}", {})
    assert str(raised.value).startswith(f"advlib:{name} does not work on dense labels: it {KNOWN[name].reason}")
    assert "\n" not in str(raised.value)


@needs_advlib
def test_every_attack_is_known():
    found = importlib.util.find_spec("adv_lib")
    files = [Path(found.origin).parent / "attacks" / part for part in ("__init__.py", "segmentation/__init__.py")]
    nodes = [node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body]
    assert set(KNOWN) == {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


@needs_advlib
@pytest.mark.parametrize(
    ("name", "parameters", "wanted", "message"),
    [
        (
            "asma",
            {},
            "semantic",
            r"advlib:asma needs classes to turn pixels into: --set 'advlib:asma\.objectives=swap:",
        ),
        ("dag", {}, "depth", r"advlib:dag has no objective 'depth': it needs classes to change, as in semantic"),
        ("pdgd", {"num_steps": 1}, "", "advlib:pdgd takes at least 2 steps, not 1"),
        ("pdgd", {"steps": 9}, "", r"unknown parameter of advlib:pdgd 'steps'; did you mean num_steps"),
        ("dag", {"adv_threshold": 2}, "", r"advlib:dag\.adv_threshold 2\.0 must be a share of the pixels, above 0 and"),
        ("pdgd", {"adv_threshold": 0.0}, "", r"advlib:pdgd\.adv_threshold 0\.0 must be a share of the pixels"),
        ("pdgd", {"primal_lr": -1.0}, "", r"advlib:pdgd\.primal_lr -1\.0 must be a finite number >= 0"),
        ("pdpgd", {"norm": 2}, "", r"advlib:pdpgd\.norm cannot be set: dense labels leave it at inf"),
    ],
)
def test_what_does_not_fit_is_one_line(world, name, parameters, wanted, message):
    with pytest.raises(UsageError, match=message) as raised:
        world.context(make_attack(f"advlib:{name}", parameters), wanted)
    assert "\n" not in str(raised.value)


@needs_advlib
def test_it_is_imported_without_what_newer_versions_of_python_lack(monkeypatch):
    """The package of all attacks imports distutils, gone since Python 3.12, and visdom, which does not build."""
    import sys

    known = importlib.util.find_spec
    gone = ("distutils", "visdom")
    for name in [name for name in sys.modules if name.startswith(("adv_lib", "_adv_lib", *gone))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in gone else known(name, *more))
    assert callable(advlib.load("attacks/segmentation/primal_dual_gradient_descent").pdpgd)
    assert not {"distutils", "distutils.version", "visdom", "adv_lib.attacks"} & set(sys.modules)


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(advlib, "is_installed", lambda: False)
    with pytest.raises(UsageError, match="advlib needs adv-lib; run pip install --no-deps adv-lib") as raised:
        AdvLib().entry("dag")
    assert "\n" not in str(raised.value)
