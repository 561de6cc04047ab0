from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from robustbench_seg._shipped import shipped
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.corruptions.base import Corruption
from robustbench_seg.attacks.pgd import KURAKIN
from robustbench_seg.attacks.registry import ATTACKS, BUILT_IN, make_attack
from robustbench_seg.attacks.worst import Worst
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.protocol import (
    DEFAULT_EPSILONS,
    PROTOCOLS,
    AttackPlan,
    Protocol,
    read_protocol,
)
from robustbench_seg.protocol_options import caveats, from_options, narrow, override, split_setting, with_variants

KLINGNER = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def grids(protocol: Protocol) -> dict[str, tuple[float, ...]]:
    return {plan.name: plan.epsilons for plan in protocol.attacks}


@pytest.fixture
def written(tmp_path):
    """Writes a protocol file."""

    def write(text: str | bytes) -> Path:
        file = tmp_path / "mine.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


# what ships


def test_klingners_grid():
    protocol = PROTOCOLS.get("klingner2020")
    assert grids(protocol) == dict.fromkeys(("gaussian", "salt_and_pepper", "fgsm", "pgd"), KLINGNER)
    assert [plan.norm for plan in protocol.attacks] == [None, None, "linf", "linf"]
    assert [plan.objectives for plan in protocol.attacks[2:]] == [("semantic",)] * 2
    assert DEFAULT_EPSILONS == KLINGNER


def test_uninets_grid():
    protocol = PROTOCOLS.get("uninet2021")
    pgd, equal_snr, boxes, pixels, hide, hide_equal_snr = protocol.attacks
    assert 1.0 in pgd.epsilons, "figure 3"
    assert equal_snr.norm == "rms"
    assert pgd.objectives == equal_snr.objectives
    assert {"each task", "group:semantic", "group:geometric", "group:all"} <= set(pgd.objectives)
    assert boxes.objectives == ("swap:person,car@detection",)
    assert boxes.params == {"steps": 150, "gamma": 0.5}
    assert pixels.objectives == ("swap:person,car@semantic",)
    assert pixels.params == {"steps": 200, "gamma": 0.5}
    assert (hide.norm, hide.objectives, hide.epsilons) == ("linf", ("hide:person",), (2.0,))
    assert (hide_equal_snr.norm, hide_equal_snr.params) == ("rms", hide.params)


def test_corruptions_are_every_kind_at_every_severity():
    kinds = [name for name in BUILT_IN if issubclass(ATTACKS.get(name), Corruption)]
    plans = with_variants(PROTOCOLS.get("corruptions")).attacks
    assert [plan.label for plan in plans] == [f"{name}[severity={i}]" for name in kinds for i in range(1, 6)]
    assert not any(plan.epsilons for plan in plans)
    equal = PROTOCOLS.get("corruptions-snr").attacks
    assert [plan.name for plan in equal] == ["gaussian", *kinds]
    assert {plan.norm for plan in equal[1:]} == {"rms"}


def test_an_attack_without_an_epsilon_is_named_by_its_severity():
    """Also where nothing else of its kind is there."""
    alone, bounded = (with_variants(from_options(["fog"], grids)).attacks[0] for grids in ([], [(2.0,)]))
    assert (alone.label, bounded.label) == ("fog[severity=3]", "fog")
    other = with_variants(override(from_options(["fog"], []), [("fog", "severity", 5)])).attacks[0]
    assert other.label == "fog[severity=5]"


@pytest.mark.parametrize("name", ["klingner2020", "uninet2021"])
def test_what_is_as_in_the_paper_is_said(name):
    protocol = PROTOCOLS.get(name)
    assert caveats(protocol) == [f"PGD: {KURAKIN}"]
    assert "PGD as in the paper" in protocol.summary
    stronger = override(protocol, [("pgd", "steps", 20)])
    assert caveats(stronger) == [], "it is what is run that is noted, not the protocol's name"


def test_quick_has_every_kind_of_perturbation_at_a_few_strengths():
    found = grids(PROTOCOLS.get("quick"))
    assert list(found) == ["gaussian", "salt_and_pepper", "fgsm", "apgd", "dag", "hide", "worst"]
    assert all(2 <= len(epsilons) <= 3 for epsilons in found.values())


def test_snr_equal_is_on_spheres():
    protocol = PROTOCOLS.get("snr-equal")
    assert list(grids(protocol)) == ["gaussian", "salt_and_pepper", "fgsm", "pgd", "apgd", "dag", "hide", "worst"]
    assert len(set(grids(protocol).values())) == 1
    for plan in protocol.attacks:
        assert (plan.norm or ATTACKS.get(plan.name).norms[0]) == "rms"


@pytest.mark.parametrize("name", ["quick", "snr-equal", "strong", "fast-strong"])
def test_what_people_defend_does_not_depend_on_the_scale_of_logits_and_ends_in_a_worst_case(name):
    plans = [(plan, make_attack(plan.name, plan.params)) for plan in PROTOCOLS.get(name).attacks]
    assert all(getattr(attack, "scale_free", True) for _, attack in plans)
    worst = [plan for plan, attack in plans if isinstance(attack, Worst)]
    attacked = {epsilon for plan, attack in plans if isinstance(attack, ChosenLoss) for epsilon in plan.epsilons}
    assert worst
    assert {epsilon for plan in worst for epsilon in plan.epsilons} <= attacked


def test_sea_has_three_losses_and_its_balls():
    own = [plan for plan in PROTOCOLS.get("strong").attacks if plan.objectives and "semantic" in plan.objectives]
    assert {plan.params["loss"] for plan in own} == {"masked_ce", "balanced_ce", "js", "cosine"}
    assert all(plan.params["stages"] for plan in own)
    assert [plan.params["steps"] for plan in own] == [100, 100, 100, 100, 20], (
        "the last one is what the checks compare with"
    )


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_every_shipped_protocol_can_be_run(name):
    protocol = PROTOCOLS.get(name)
    assert protocol.name == name
    assert protocol.summary == PROTOCOLS.entry(name).summary != ""
    assert protocol.source
    for plan in protocol.attacks:
        attack = ATTACKS.get(plan.name)
        attack(**plan.params)
        assert plan.norm is None or plan.norm in attack.norms
        assert plan.epsilons or "none" in attack.norms
        assert len(set(plan.epsilons)) == len(plan.epsilons)


def test_every_file_of_the_folder_is_listed():
    assert sorted(file.stem for file in shipped("attacks").glob("*.toml")) == list(PROTOCOLS)


# files


def test_a_file_needs_a_name_an_attack_and_no_more(written):
    protocol = read_protocol(written('[[attack]]\nname = "fgsm"\n'))
    assert protocol == Protocol("mine", (AttackPlan("fgsm"),))


def test_a_file_may_say_everything(written):
    text = """
        name = "ours"
        summary = "what for"
        source = "where from"
        [[attack]]
        name = "pgd"
        norm = "rms"
        epsilons = [1, 0.5, 0]
        objectives = ["semantic", "hide:person@depth"]
        params = { steps = 3, alpha = 0.5 }
    """
    plan = AttackPlan("pgd", (1.0, 0.5, 0.0), "rms", ("semantic", "hide:person@depth"), {"steps": 3, "alpha": 0.5})
    protocol = read_protocol(written(text))
    assert protocol == Protocol("ours", (plan,), "what for", "where from")
    assert all(type(epsilon) is float for epsilon in protocol.attacks[0].epsilons)


ATTACK = '[[attack]]\nname = "pgd"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no \[\[attack\]\] table; write one per attack"),
        ('attack = "pgd"\n', "attack: must be a list, not 'pgd'"),
        ('attack = ["pgd"]\n', r"attack\[0\]: must be a table, not 'pgd'"),
        ("name = \n", "not valid TOML: Invalid value"),
        (ATTACK + ATTACK + "[[attack]]\nepsilons = [1]\n", r"attack\[2\]: missing key 'name'"),
        ("name = 3\n" + ATTACK, "name: must be str, not 3"),
        ('sumary = "x"\n' + ATTACK, "unknown key 'sumary'; did you mean summary?"),
        (ATTACK + "epsilon = [1]\n", r"attack\[0\]: unknown key 'epsilon'; did you mean epsilons"),
        (ATTACK + "epsilons = 1\n", "epsilons: must be a list, not 1"),
        (ATTACK + 'epsilons = ["1"]\n', r"epsilons\[0\]: must be float, not '1'"),
        (ATTACK + "epsilons = [1, -2]\n", r"epsilons\[1\]: must be from 0 to 255, not -2"),
        (ATTACK + "epsilons = [256]\n", "must be from 0 to 255, not 256"),
        (ATTACK + "epsilons = [nan]\n", "must be from 0 to 255, not nan"),
        (ATTACK + "epsilons = [inf]\n", "must be from 0 to 255, not inf"),
        (ATTACK + "epsilons = [true]\n", "must be float, not True"),
        (ATTACK + 'objectives = "semantic"\n', "objectives: must be a list, not 'semantic'"),
        (ATTACK + 'params = "steps=1"\n', "params: must be a table, not 'steps=1'"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(written, text, message):
    file = written(text)
    with pytest.raises(InputError, match=message) as caught:
        read_protocol(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


# options


@pytest.mark.parametrize(
    ("attacks", "epsilons", "expected"),
    [
        (["pgd", "dag"], [], {"pgd": DEFAULT_EPSILONS, "dag": ()}),
        (["pgd"], [(1.0, 2.0)], {"pgd": (1.0, 2.0)}),
        (["pgd", "fgsm"], [(1.0, 2.0)], {"pgd": (1.0, 2.0), "fgsm": (1.0, 2.0)}),
        (["pgd", "fgsm"], [(1.0,), (4.0, 8.0)], {"pgd": (1.0,), "fgsm": (4.0, 8.0)}),
    ],
)
def test_options_make_a_protocol(attacks, epsilons, expected):
    protocol = from_options(attacks, epsilons)
    assert protocol.name == "custom"
    assert grids(protocol) == expected


def test_options_that_do_not_pair_are_refused():
    with pytest.raises(UsageError, match="2 -e for 3 -a; give one -e for all or one each"):
        from_options(["pgd", "fgsm", "dag"], [(1.0,), (2.0,)])


PROTOCOL = Protocol(
    "small",
    (
        AttackPlan("gaussian", (1.0, 4.0)),
        AttackPlan("pgd", (0.25, 1.0), params={"steps": 3}),
        AttackPlan("dag"),
        AttackPlan("pgd", (4.0,), objectives=("depth",)),
    ),
    "summary",
    "source",
)


@pytest.mark.parametrize(
    ("attacks", "epsilons", "kept"),
    [
        ([], [], [("gaussian", (1.0, 4.0)), ("pgd", (0.25, 1.0)), ("dag", ()), ("pgd", (4.0,))]),
        (["pgd"], [], [("pgd", (0.25, 1.0)), ("pgd", (4.0,))]),
        (["dag"], [], [("dag", ())]),
        ([], [1.0], [("gaussian", (1.0,)), ("pgd", (1.0,))]),
        ([], [4.0, 0.25], [("gaussian", (4.0,)), ("pgd", (0.25,)), ("pgd", (4.0,))]),
        (["gaussian"], [4.0], [("gaussian", (4.0,))]),
    ],
)
def test_narrowing_keeps_what_is_named(attacks, epsilons, kept):
    narrowed = narrow(PROTOCOL, attacks, epsilons)
    assert [(plan.name, plan.epsilons) for plan in narrowed.attacks] == kept
    assert dataclasses.replace(narrowed, attacks=PROTOCOL.attacks) == PROTOCOL
    for plan in narrowed.attacks:
        assert any(dataclasses.replace(plan, epsilons=own.epsilons) == own for own in PROTOCOL.attacks)


@pytest.mark.parametrize(
    ("attacks", "epsilons", "message"),
    [
        (["fgsm"], [], "protocol 'small' has no attack 'fgsm'; it has dag, gaussian, pgd"),
        (["pgd", "hide"], [], "has no attack 'hide'"),
        ([], [2.0], "protocol 'small' has no epsilon 2; it has 0.25, 1, 4"),
        (["gaussian"], [0.25], "has no epsilon 0.25; it has 1, 4"),
        ([], [1.0, 3.5], "has no epsilon 3.5"),
    ],
)
def test_narrowing_to_what_is_not_there_is_refused(attacks, epsilons, message):
    with pytest.raises(UsageError, match=message) as caught:
        narrow(PROTOCOL, attacks, epsilons)
    assert "\n" not in str(caught.value)


def test_overriding_sets_every_plan_of_that_attack():
    settings = [("pgd", "steps", 9), ("pgd", "alpha", 0.5), ("pgd", "norm", "rms"), ("dag", "objectives", "a;b,c")]
    gaussian, first, dag, second = override(PROTOCOL, settings).attacks
    assert gaussian == PROTOCOL.attacks[0]
    assert first == AttackPlan("pgd", (0.25, 1.0), "rms", None, {"steps": 9, "alpha": 0.5})
    assert second == AttackPlan("pgd", (4.0,), "rms", ("depth",), {"steps": 9, "alpha": 0.5})
    assert dag == AttackPlan("dag", objectives=("a", "b,c"))
    assert PROTOCOL.attacks[1].params == {"steps": 3}, "the protocol itself stays"


def test_what_is_no_attack_of_the_protocol_may_be_a_task():
    protocol = dataclasses.replace(PROTOCOL, tasks={"depth": {"crop": "garg", "max_depth": 50.0}})
    settings = [("depth", "max_depth", 30), ("semantic[lanes]", "weight", 2), ("pgd", "steps", 9)]
    changed = override(protocol, settings)
    assert changed.tasks == {"depth": {"crop": "garg", "max_depth": 30}, "semantic[lanes]": {"weight": 2}}
    assert changed.attacks == override(PROTOCOL, settings[2:]).attacks
    assert protocol.tasks["depth"]["max_depth"] == 50, "the protocol itself stays"


def test_a_file_says_how_tasks_are_measured(written):
    protocol = read_protocol(written('[[attack]]\nname = "fgsm"\n[tasks.depth]\ncrop = "garg"\nmax_depth = 50\n'))
    assert protocol.tasks == {"depth": {"crop": "garg", "max_depth": 50}}
    with pytest.raises(InputError, match=r"tasks\.depth: must be a table, not 'garg'"):
        read_protocol(written('[[attack]]\nname = "fgsm"\n[tasks]\ndepth = "garg"\n'))


@pytest.mark.parametrize("name", ["pgd", "pgd.", ".steps", "pgd.steps=3", "a.b.c"])
def test_a_setting_names_an_attack_or_task_and_its_parameter(name):
    assert split_setting("pgd[steps=40].alpha") == ("pgd[steps=40]", "alpha")
    with pytest.raises(UsageError, match=r"write ATTACK\.PARAM or TASK\.PARAM"):
        split_setting(name)


def test_overriding_an_attack_that_is_not_there_is_refused():
    message = "--set fgsm.steps: the protocol has no attack 'fgsm'; it has dag, gaussian, pgd"
    with pytest.raises(UsageError, match=message):
        override(PROTOCOL, [("fgsm", "steps", 9)])


# variants


def labels(*plans: AttackPlan) -> list[str]:
    return [plan.label for plan in with_variants(Protocol("p", plans)).attacks]


def test_variants_are_the_parameters_that_differ():
    short, long = AttackPlan("pgd", (1.0,), params={"steps": 10}), AttackPlan("pgd", (1.0, 2.0), params={"steps": 40})
    assert labels(short, long) == ["pgd[steps=10]", "pgd[steps=40]"]
    fine = AttackPlan("pgd", (1.0,), params={"steps": 40, "alpha": 0.25})
    assert labels(short, long, fine) == [
        "pgd[steps=10]",
        "pgd[steps=40]",
        "pgd[steps=40, alpha=0.25]",
    ]


def test_a_protocol_may_name_its_variants():
    plans = [AttackPlan("pgd", (1.0,), params={"steps": steps}, variant=f"{steps} steps") for steps in (10, 40)]
    assert labels(*plans) == ["pgd[10 steps]", "pgd[40 steps]"]
    assert labels(AttackPlan("pgd", (1.0,)), plans[1]) == ["pgd", "pgd[40 steps]"]


@pytest.mark.parametrize(
    "other",
    [
        AttackPlan("pgd", (1.0,), norm="rms", params={"steps": 40}),
        AttackPlan("fgsm", (1.0,)),
        AttackPlan("pgd", (1.0,), objectives=("loss:cls",), params={"steps": 40}),
        AttackPlan("pgd", (1.0,), params={"steps": 10}),
        AttackPlan("pgd", (1.0,), params={"steps": 10, "alpha": 0.0}),
    ],
)
def test_what_has_no_curve_in_common_or_no_other_parameter_needs_no_variant(other):
    own = AttackPlan("pgd", (1.0,), norm="linf", params={"steps": 10})
    assert labels(own, other) == ["pgd", other.name]


def test_variants_with_other_epsilons_are_other_curves():
    plans = [AttackPlan("pgd", (epsilon,), params={"steps": steps}) for epsilon, steps in ((1.0, 1), (2.0, 9))]
    assert labels(*plans) == ["pgd[steps=1]", "pgd[steps=9]"]


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_shipped_protocols_have_no_variants_but_those_they_name(name):
    protocol = PROTOCOLS.get(name)
    for made, plan in zip(with_variants(protocol).attacks, protocol.attacks, strict=True):
        graded = () if plan.epsilons else ATTACKS.get(plan.name).named_by
        assert made.variant == (plan.variant or ", ".join(f"{key}={plan.params[key]}" for key in graded))


def test_a_file_may_name_a_variant(written):
    text = '[[attack]]\nname = "pgd"\nvariant = "40 steps"\n'
    assert read_protocol(written(text)).attacks[0].label == "pgd[40 steps]"
    with pytest.raises(InputError, match=r"a variant must have no brackets"):
        read_protocol(written(text.replace("40 steps", "[40]")))


TWICE = Protocol(
    "twice",
    (
        AttackPlan("pgd", (1.0,), params={"steps": 10}),
        AttackPlan("pgd", (1.0,), params={"steps": 40}),
        AttackPlan("fgsm", (1.0,)),
    ),
)


def test_options_name_all_variants_or_one():
    assert narrow(TWICE, ["pgd"], []).attacks == TWICE.attacks[:2]
    (kept,) = narrow(TWICE, ["pgd[steps=40]"], []).attacks
    assert (kept.label, kept.params) == ("pgd[steps=40]", {"steps": 40})
    everywhere = override(TWICE, [("pgd", "alpha", 2)]).attacks
    assert [plan.params.get("alpha") for plan in everywhere] == [2, 2, None]
    one = with_variants(override(TWICE, [("pgd[steps=40]", "alpha", 2)]))
    assert [plan.label for plan in one.attacks] == ["pgd[steps=10]", "pgd[steps=40, alpha=2]", "fgsm"]
    with pytest.raises(
        UsageError, match=r"has no attack 'pgd\[steps=4\]'; it has fgsm, pgd, pgd\[steps=10\], pgd\[steps=40\]"
    ):
        narrow(TWICE, ["pgd[steps=4]"], [])


def test_a_setting_that_makes_variants_equal_is_refused():
    with pytest.raises(UsageError, match=r"--set makes pgd\[steps=10\] and pgd\[steps=40\] the same; set one alone"):
        override(TWICE, [("pgd", "steps", 5)])
