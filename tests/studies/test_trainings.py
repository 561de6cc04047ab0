"""Names and commands of trainings."""

from __future__ import annotations

import pytest

from robustbench_seg.cli.options import parse_grid
from robustbench_seg.studies.trainings import Training, training_table


def test_names_and_commands():
    assert Training("klingner-single").name == "klingner-single"
    assert Training("klingner-single", 2).command == "robustseg train klingner-single --seed 2"
    assert Training("klingner-multi-0.9", steps=600).name == "klingner-multi-0.9-600"


def test_a_command_names_the_data_that_are_not_embedded():
    one = Training("klingner-camvid-single", root="CAMVID")
    assert one.command == "robustseg train klingner-camvid-single --data CAMVID"
    (line,) = training_table([one]).lines
    assert line.cells[-1].main == one.command


@pytest.mark.parametrize(
    "change",
    [("optimiser.name", "sgd"), ("optimiser.clip", 10.0), ("architecture.parameters.scales", (1, 2))],
    ids=lambda change: change[0],
)
def test_a_command_makes_the_changes_by_a_grid_of_one(change):
    one = Training("densemtl-attention", 1, changes=(change,))
    key, (value,) = parse_grid(one.command.rpartition(" ")[2])
    assert (key, value) == (change[0], list(change[1]) if isinstance(change[1], tuple) else change[1])
    recipe = one.read()
    for part in change[0].split("."):
        recipe = recipe[part] if isinstance(recipe, dict) else getattr(recipe, part)
    assert recipe == value
    assert one.name.startswith(f"densemtl-attention-{change[0]}=")
