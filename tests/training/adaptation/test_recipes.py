"""The shipped recipes of adaptation: what is compared differs in what it is to differ in."""

from dataclasses import asdict
from pathlib import Path

import pytest

from robustbench_seg.training.recipe import read_recipe

MODELS = Path(__file__).parents[3] / "models"
NETWORKS = ("semantic", "depth", "mtl", "attention")


def read(name, scale):
    return asdict(read_recipe(MODELS / f"densemtl-uda-{name}" / "recipe.toml", scale))


def changed(one, other):
    """Where two tables differ, by dotted key."""
    keys = set()
    for key in one:
        if isinstance(one[key], dict) and isinstance(other[key], dict) and one[key].keys() == other[key].keys():
            keys |= {f"{key}.{inner}" for inner in changed(one[key], other[key])}
        elif one[key] != other[key]:
            keys.add(key)
    return keys - {"name", "summary"}


@pytest.mark.parametrize("scale", ["nano", "paper"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_source_lacks_the_adversarial_loss_alone(name, scale):
    adapted, source = read(name, scale), read(f"{name}-source", scale)
    assert changed(adapted, source) == {"adaptation.weight"}
    assert source["adaptation"]["weight"] == 0
    assert adapted["adaptation"]["dataset"] == "street-b"


@pytest.mark.parametrize("scale", ["nano", "paper"])
@pytest.mark.parametrize("name", ["semantic", "depth"])
def test_an_oracle_is_a_source_on_the_targets_labels(name, scale):
    source, oracle = read(f"{name}-source", scale), read(f"{name}-oracle", scale)
    assert changed(source, oracle) == {"data.dataset"}
    assert oracle["data"]["dataset"] == oracle["adaptation"]["dataset"]


@pytest.mark.parametrize("scale", ["nano", "paper"])
def test_networks_of_both_tasks_differ_in_the_exchange_alone(scale):
    assert changed(read("attention", scale), read("mtl", scale)) == {"architecture.parameters"}
    parameters = [read(name, scale)["architecture"]["parameters"] for name in ("attention", "mtl")]
    assert parameters[1] == parameters[0] | {"exchange": "none"}
    assert changed(read("mtl", scale), read("semantic", scale)) == {"tasks"}


def test_the_papers_setting():
    recipe = read("attention", "paper")
    target = recipe["adaptation"]
    assert (recipe["batch"], target["batch"], target["weight"]) == (2, 2, 5e-3)
    assert recipe["tasks"] == {"semantic": 50.0, "depth": 1.0}
    assert target["discriminator"] == {"widths": (64, 128, 256, 512), "lr": 1e-4, "betas": (0.9, 0.99)}
