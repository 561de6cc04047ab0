"""What is attacked, and by what."""

from __future__ import annotations

from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.protocol import PROTOCOLS, AttackPlan, Protocol
from robustbench_seg.protocol_options import override
from robustbench_seg.results.keys import WORST
from robustbench_seg.results.names import attack_title
from robustbench_seg.studies.strength import depth_losses

NAME = "strength"
EPSILONS = (0.5, 1.0, 2.0, 4.0)
CLOSER = ("street-single", "street-multi")
"""The models that are looked at more closely: curves over gradients, and SEA's own number of steps."""
FAMILIES = ("street", "klingner")
"""What the names of the models begin with that are looked at where none is named: those of the first two studies."""
IMAGES = 16
SHOWN = 1.0
"""The ε whose table is not folded away."""
SEA_STEPS = 300

LADDER = {
    ("pgd", ""): (10, 20, 40),
    ("pgd", "masked_ce"): (10, 20),
    ("mi_fgsm", ""): (10, 20),
    ("segpgd", "segpgd"): (10, 20, 40),
    ("cospgd", "cosine"): (10, 20, 40),
    ("apgd", ""): (10, 20),
    ("apgd", "cosine"): (10, 20, 40, 80),
    ("apgd", "masked_ce"): (10, 20, 40, 80),
}
"""Numbers of steps by attack and loss, on segmentation."""
EQUAL_STEPS = 20
EQUAL = {
    "semantic": (("pgd", ""), ("segpgd", "segpgd"), ("cospgd", "cosine"), ("apgd", "masked_ce")),
    "depth": (("pgd", ""), ("cospgd", "cosine"), ("apgd", "")),
}
"""Attacks and losses that are compared at equal gradients with the first, by task."""
TASKS = {"equal": tuple(EQUAL), "losses": (depth_losses.TASK,)}
"""The tasks that a protocol attacks, where it is not segmentation alone."""
PAPER = AttackPlan("pgd", EPSILONS, "linf", ("semantic",), {"steps": 0, "alpha": 1.0, "scale_free": False}, "paper")


def rung(task: str, name: str, loss: str, steps: int) -> AttackPlan:
    """An attack at a number of steps; APGD of 40 or more as the strong protocols run it, through larger balls."""
    form = {"warm_start": True, "stages": steps >= 40} if name == "apgd" else {}
    variant = ", ".join(filter(None, (loss, f"{steps} steps")))
    return AttackPlan(name, EPSILONS, "linf", (task,), {"loss": loss, "steps": steps, **form}, variant)


def protocols() -> dict[str, Protocol]:
    """The protocols of the study by name."""
    ladder = [rung("semantic", *attack, steps) for attack, ladder in LADDER.items() for steps in ladder]
    equal = [rung(task, *attack, EQUAL_STEPS) for task, attacks in EQUAL.items() for attack in attacks]
    strong = PROTOCOLS.get("strong")
    return {
        "ladder": Protocol("ladder", tuple(ladder)),
        "strong": strong,
        "fast-strong": PROTOCOLS.get("fast-strong"),
        "equal": Protocol("equal", (PAPER, *equal, AttackPlan(WORST, EPSILONS, "linf"))),
        "losses": Protocol("losses", tuple(depth_losses.plans(EPSILONS, EQUAL_STEPS).values())),
        "strong-300": override(strong, [("apgd", "steps", SEA_STEPS)]),
    }


def gradients(protocol: Protocol) -> float:
    """Gradients per image and ε of all its attacks on segmentation together."""
    plans = [plan for plan in protocol.attacks if plan.name != WORST and "semantic" in (plan.objectives or ())]
    return sum(make_attack(plan.name, plan.params).num_gradients(plan.epsilons) for plan in plans) / len(EPSILONS)


def titled_by_loss(name: str, loss: str) -> str:
    """An attack's title, with its loss where that is a choice."""
    own = {"": "", "segpgd": "", "cosine": "cosine loss", "masked_ce": "masked cross-entropy"}[loss]
    return ", ".join(filter(None, (attack_title(name), own if name in ("pgd", "apgd") else "")))
