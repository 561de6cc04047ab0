"""Names of attacks that are elsewhere, and what is shown of those of libraries."""

from __future__ import annotations

import importlib.util

import pytest
from click.testing import CliRunner

from robustbench_seg.attacks.registry import ATTACKS, BUILT_IN, attack_title, make_attack
from robustbench_seg.attacks.sources.base import Refused, latin
from robustbench_seg.attacks.sources.elsewhere import IN_LIBRARIES, OTHER_NAMES, elsewhere, plain
from robustbench_seg.attacks.sources.entries import of_library
from robustbench_seg.attacks.sources.registry import ATTACK_SOURCES
from robustbench_seg.attacks.sources.torchattacks import Torchattacks
from robustbench_seg.attacks.step_size import Share
from robustbench_seg.cli import group
from robustbench_seg.errors import UsageError

CLASSIFIES = "does not work on dense labels: it decides by one label per image"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("autoattack", f"torchattacks:AutoAttack {CLASSIFIES}; use `apgd`, or `-p strong`"),
        ("Auto-Attack", "torchattacks:AutoAttack does not"),
        ("cw", f"torchattacks:CW {CLASSIFIES}; `alma`"),
        ("deepfool", f"torchattacks:DeepFool {CLASSIFIES}"),
        ("fmn", f"advlib:fmn {CLASSIFIES}"),
        ("asma", "it is advlib:asma;"),
        ("vmi_fgsm", "it is torchattacks:VMIFGSM;"),
        ("pgd-l2", "it is torchattacks:PGDL2;"),
        ("pdgd", "it is advlib:pdgd;"),
        ("i-fgsm", "it is torchattacks:BIM;"),
        ("gaussian_blur", "there are defocus_blur, "),
        ("frost", "it is left out, as it blends in photographs"),
        ("sea", "it is apgd in -p strong;"),
        ("EAD", f"torchattacks:EADEN {CLASSIFIES}"),
        ("carlini_wagner", f"torchattacks:CW {CLASSIFIES}"),
        ("L2CarliniWagnerAttack", f"torchattacks:CW {CLASSIFIES}"),
        ("L2DeepFoolAttack", f"torchattacks:DeepFool {CLASSIFIES}"),
        ("AdaptiveDeepFool", f"torchattacks:DeepFool {CLASSIFIES}"),
        ("DI2-FGSM", "torchattacks:DIFGSM does not work on dense labels: it resizes"),
        ("LinfPGD", "it is pgd;"),
        ("L2PGD", "it is torchattacks:PGDL2;"),
        ("L2FMNAttack", f"advlib:fmn {CLASSIFIES}"),
        ("HopSkipJump", "it decides by one label per image; `square`"),
        ("BoundaryAttack", "it decides by one label per image; `square`"),
        ("ZOO", "it decides by one label per image; `square`"),
        ("UAP", "it is universal;"),
        ("speckle_noise", "it is one of ImageNet-C's four extra kinds"),
    ],
)
def test_a_name_known_elsewhere_says_where(name, message):
    with pytest.raises(UsageError) as raised:
        ATTACKS.get(name)
    text = str(raised.value)
    assert text.startswith(f"unknown attack '{name}'; {message}")
    assert text.endswith("; see attacks/README.md")
    assert "\n" not in text
    assert name not in ATTACKS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("FGSM", "unknown attack 'FGSM'; did you mean fgsm"),
        ("MIFGSM", "unknown attack 'MIFGSM'; did you mean mi_fgsm"),
        ("nothing_like_it", "unknown attack 'nothing_like_it'; see `robustseg list attacks`"),
        ("torchatacks:PGDD", "unknown source of attacks 'torchatacks'; did you mean torchattacks?"),
        ("foolbox:PGD", "unknown source of attacks 'foolbox'; as for 'PGD', it is torchattacks:PGD; see"),
        ("foolbox:L2DeepFoolAttack", "unknown source of attacks 'foolbox'; as for 'L2DeepFoolAttack', torchattacks:"),
        ("art:nothing_like_it", "unknown source of attacks 'art'; known: advlib, torchattacks"),
        ("torchattacks:pgd", "unknown attack of torchattacks 'pgd'; did you mean PGD"),
        ("torchattacks:", "unknown attack of torchattacks ''; known: FGSM, "),
        ("advlib:asam", "unknown attack of adv-lib 'asam'; did you mean asma"),
    ],
)
def test_a_name_that_nobody_knows_is_one_line(name, message):
    with pytest.raises(UsageError) as raised:
        ATTACKS.get(name)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
    assert name not in ATTACKS
    assert attack_title(name) == name


def test_other_names_are_spelt_plainly_and_are_not_ours():
    ours = {*map(plain, BUILT_IN), *map(plain, Torchattacks.attacks)}
    names = [*OTHER_NAMES, *IN_LIBRARIES]
    assert all(plain(name) == name and name not in ours for name in names)
    assert len(set(names)) == len(names)
    assert not any(":" in text for text in OTHER_NAMES.values()), "what a library has may be refused"
    for full in IN_LIBRARIES.values():
        source, _, known = full.partition(":")
        assert known in ATTACK_SOURCES.get(source).attacks
    assert elsewhere("gaussian") == ""


def test_parameters_are_those_of_the_class_with_step_sizes_as_shares():
    attack = make_attack("torchattacks:PGD", {})
    assert vars(attack) == {"alpha": Share(0.25), "steps": 10, "random_start": True}
    assert ATTACKS.get("torchattacks:PGD").norms == ("linf",)
    assert ATTACKS.get("torchattacks:PGDL2").norms == ("rms",)
    assert attack_title("torchattacks:PGD") == "PGD (torchattacks)"
    assert make_attack("torchattacks:FFGSM", {"alpha": 2}).alpha == 2.0
    assert type(attack) is type(make_attack("torchattacks:PGD", {"steps": 2}))


def test_names_in_greek_are_spelt_out():
    assert [latin(name) for name in ("γ", "scale_γ", "ε_threshold", "μ_init", "N")] == [
        *("gamma", "scale_gamma", "epsilon_threshold", "mu_init", "N")
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("PGD", {"eps": 4}, r"torchattacks:PGD\.eps cannot be set: it is the epsilon of -e or the protocol"),
        ("PIFGSM", {"max_epsilon": 4}, r"torchattacks:PIFGSM\.max_epsilon cannot be set: it is the epsilon"),
        ("UPGD", {"loss": "dlr"}, r"torchattacks:UPGD\.loss cannot be set: dense labels leave it at 'ce'"),
        ("PGD", {"stepps": 4}, "unknown parameter of torchattacks:PGD 'stepps'; did you mean steps"),
        ("PGD", {"steps": "many"}, r"torchattacks:PGD\.steps = 'many' must be of type int, such as 10"),
        ("PGD", {"steps": 0}, r"torchattacks:PGD\.steps 0 must be a finite number >= 1"),
        ("MIFGSM", {"decay": float("nan")}, r"torchattacks:MIFGSM\.decay nan must be a finite number >= 0"),
        ("PGD", {"alpha": "wide"}, "alpha 'wide' is no step size"),
        ("PGD", {"alpha": "-1 eps"}, "alpha -1 eps must be a number >= 0"),
        ("PGDL2", {"alpha": "0 eps"}, "alpha 0 eps must be a number >= 0"),
        ("FFGSM", {"alpha": "inf eps"}, "alpha inf eps must be a number >= 0"),
        ("TPGD", {"alpha": "nan eps"}, "alpha nan eps must be a number >= 0"),
        ("TIFGSM", {"kernel_name": "x"}, "torchattacks refuses .*kernel_name='x'.*: NotImplementedError$"),
    ],
)
def test_a_parameter_that_does_not_fit_is_one_line(name, parameters, message):
    with pytest.raises(UsageError, match=message) as raised:
        make_attack(f"torchattacks:{name}", parameters)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("objective", ["depth", "swap:person,car@semantic", "each task"])
def test_other_tasks_and_objectives_are_refused_with_the_reason(world, objective):
    attack = make_attack("torchattacks:PGD", {})
    with pytest.raises(UsageError, match=r"torchattacks:PGD has no objective .* it attacks semantic alone"):
        attack.objectives([objective], world.reference().tasks)


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torchattacks" else known(name))
    of_library.cache_clear()
    with pytest.raises(UsageError, match=r"torchattacks is needed; pip install 'robustbench-seg\[torchattacks\]'"):
        ATTACKS.get("torchattacks:PGD")
    assert "torchattacks:PGD" not in ATTACKS
    with pytest.raises(UsageError, match="does not work on dense labels"):
        ATTACKS.get("torchattacks:CW")


def test_a_version_without_a_class_is_one_line(monkeypatch):
    import torchattacks

    monkeypatch.delattr(torchattacks, "TPGD")
    with pytest.raises(
        UsageError, match="'torchattacks:TPGD' of this version cannot be used: AttributeError"
    ) as raised:
        Torchattacks().entry("TPGD")
    assert "\n" not in str(raised.value)


def test_every_reason_is_short_enough_for_a_line():
    assert all(len(str(how)) < 130 for how in Torchattacks.attacks.values() if isinstance(how, Refused))


def shown(*arguments: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(group, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_attacks_are_listed_with_the_libraries_that_have_more():
    listed = shown("list", "attacks")
    assert "torchattacks:CLASS" in listed
    assert "advlib:NAME" in listed
    assert "hf:FOLDER" in shown("list", "models")


def test_an_attack_of_a_library_is_shown_with_its_parameters():
    text = shown("show", "attack", "torchattacks:TIFGSM")
    assert text.startswith("torchattacks:TIFGSM (torchattacks 3.")
    assert "Note: without resizing, which moves pixels off their labels." in text
    assert "\nnorms: linf\nalpha = '0.25 eps'\nsteps = 10\n" in text
    assert "diversity_prob" not in text
