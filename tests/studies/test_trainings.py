"""Names and commands of trainings."""

from __future__ import annotations

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
