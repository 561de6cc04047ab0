"""Checks of a model's gradients: whether they reach what matters, keep their promise, and outlive large logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from robustbench_seg.attacks.budgets import LEVELS
from robustbench_seg.attacks.objectives.base import AdversarialLoss, LossChoice
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.checks.attacks import Kind, kind_of
from robustbench_seg.checks.base import Evidence, Problem, Record
from robustbench_seg.checks.model import ModelCheck
from robustbench_seg.checks.probe import Look, Probe, Scope, unscaled_loss
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.randomness import generator, seeded
from robustbench_seg.results.findings import Doubt
from robustbench_seg.results.intervals import LEVEL, MIN_IMAGES
from robustbench_seg.results.names import task_name
from robustbench_seg.results.sample import mean_of
from robustbench_seg.tasks.base import Floats, Outputs, Task


class GradientsReachWhatMatters(ModelCheck):
    """Noise on the values alone whose gradient is zero changes the outputs little, next to noise on all values.

    A gradient that is there may miss most of an image: of a model that rounds or detaches some pixels it is zero there,
    attacks leave them as they are, and what little power they then have excuses that they do no harm. Values that have
    no influence have no gradient either, and pass. Where all gradients are zero, another check says so.
    """

    name = "hidden_gradient"
    wrong = "Gradients do not reach all that matters"
    sound = "Gradients reach what outputs depend on"
    advice = (
        "find what stops the gradient at a part of the image (rounding, detach, a mask), or attack without gradients "
        "(-a square, an attack of your own)"
    )
    epsilon: ClassVar[float] = 1.0
    most: ClassVar[float] = 0.5

    def record(self, probe: Probe) -> Record:
        """By attacked task the share of the values without a gradient, and of the noise's effect that is theirs."""
        return {"tasks": {task: self._shares(probe, probe.context.tasks[task]) for task in probe.scope.attacked}}

    def work(self, scope: Scope) -> tuple[int, int]:
        """A gradient of the first batch, and its outputs without noise, with it, and with a part of it."""
        count = scope.batch * len(scope.attacked)
        return count, 4 * count

    def is_enough(self, record: Record) -> bool:
        """Whether a task was attacked along gradients."""
        return bool(record["tasks"])

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """More than half of the effect."""
        for task, seen in record["tasks"].items():
            if seen["unreached"] < 1 and seen["effect"] > self.most:
                text = f"{seen['unreached']:.0%} of the values have none, with {seen['effect']:.0%} of noise's effect"
                yield Problem(f"{evidence.name}, {task_name(task)}: {text}", _white_box_numbers(evidence, task))

    def _shares(self, probe: Probe, task: Task) -> Record:
        images, target_model = probe.looks[0].batch.images, probe.context.target_model
        draws = generator(0, self.name, task.key)

        def signs(of: Tensor) -> Tensor:
            return torch.from_numpy(draws.choice(np.array([-1, 1], np.float32), of.shape)).to(of.device)

        def under(noisy: Tensor) -> list[Tensor]:
            # The same random state every time: what a random model draws is no effect of the noise.
            with target_model.frozen(), seeded(0):
                return [part.float() for part in task.parts(target_model.undrawn(noisy)[task.key])]

        before = under(images)
        # Any weights that leave nothing out: a plain sum of probabilities, for one, is a constant.
        weights = [signs(part) for part in before]

        def weighted(outputs: Outputs) -> Tensor:
            parts = zip(task.parts(outputs[task.key]), weights, strict=True)
            return torch.stack([(part * weight).flatten(1).sum(1) for part, weight in parts]).sum(0)

        with target_model.frozen(), seeded(0):
            is_unreached = target_model.gradient(images, weighted) == 0
        noisy = (images + self.epsilon / LEVELS * signs(images)).clamp(0, 1)
        of_all, of_unreached = (
            sum(float((a - b).square().sum()) for a, b in zip(under(seen), before, strict=True)) ** 0.5
            for seen in (noisy, torch.where(is_unreached, noisy, images))
        )
        effect = of_unreached / of_all if of_all and bool(is_unreached.any()) else 0.0
        return {"unreached": float(is_unreached.float().mean()), "effect": effect}


class GradientsKeepTheirPromise(ModelCheck):
    """A small step along the signs of the gradient raises the loss about as much as the gradient says that it will.

    Gradients may be there and say nothing: those of a ripple on the input, for instance, are the ripple's own (Athalye
    et al. 2018, shattered gradients), and what they promise is gone at the end of the step. Of the models that ship a
    step keeps two fifths of its promise or more.
    """

    name = "shattered_gradient"
    wrong = "Gradients do not point the way"
    sound = "Steps along gradients do what those promise"
    advice = "leave out what shatters the gradient, or attack without gradients (-a square, an attack of your own)"
    epsilon: ClassVar[float] = 1.0
    least: ClassVar[float] = 0.1

    def record(self, probe: Probe) -> Record:
        """By task how much such a step raises each image's loss, and how much the gradient promises."""
        attacked = probe.scope.attacked
        return {"tasks": {task: _joined([self._steps(look, task) for look in probe.looks]) for task in attacked}}

    def work(self, scope: Scope) -> tuple[int, int]:
        """A gradient, and the losses before and after the step."""
        count = scope.images * len(scope.attacked)
        return count, 3 * count

    def is_enough(self, record: Record) -> bool:
        """Whether a task was attacked, on enough images."""
        return any(len(steps["raised"]) >= MIN_IMAGES for steps in record["tasks"].values())

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """Less than a tenth of it."""
        for task, steps in record["tasks"].items():
            raised, promised = np.mean(steps["raised"]), np.mean(steps["promised"])
            if len(steps["raised"]) >= MIN_IMAGES and raised < self.least * promised:
                text = f"a step raises the loss by {raised:.2g}, its gradient promises {promised:.2g}"
                yield Problem(f"{evidence.name}, {task_name(task)}: {text}", _white_box_numbers(evidence, task))

    def _steps(self, look: Look, task: str) -> Record:
        context, _ = look.under_attack(task, LossChoice(scale_free=True))
        images, gradient = context.images, context.gradient(context.images)
        after = (images + self.epsilon / LEVELS * gradient.sign()).clamp(0, 1)
        promised = ((after - images) * gradient).flatten(1).sum(1)
        raised = context.loss(after) - context.loss(images)
        context.settle()
        return {"raised": raised.tolist(), "promised": promised.tolist()}


class LossKeepsItsGradient(ModelCheck):
    """Attacks on a loss as it is do as much as on logits brought to one scale: large logits would leave no gradient."""

    name = "logit_scale"
    wrong = "The scale of the logits weakens attacks"
    sound = "The scale of the logits does not weaken attacks"
    advice = "let attacks be scale free (--set ATTACK.scale_free=true), which all are but those as in a paper"
    epsilon: ClassVar[float] = 2.0
    attack: ClassVar[PGD] = PGD(steps=5)
    least: ClassVar[float] = 0.06

    def record(self, probe: Probe) -> Record:
        """By task and loss each image's performance under a few steps: on the loss as it is, and brought to scale."""
        return {
            "losses": [
                {"task": task, "loss": loss, **_joined([self._performances(look, task, loss) for look in probe.looks])}
                for task, loss in probe.scope.unscaled
            ]
        }

    def work(self, scope: Scope) -> tuple[int, int]:
        """Two attacks, and the outputs they lead to."""
        count = 2 * scope.images * len(scope.unscaled)
        gradients = count * self.attack.num_gradients([self.epsilon])
        return gradients, gradients + count

    def is_enough(self, record: Record) -> bool:
        """Whether an attack ascends a loss as it is, on enough images."""
        return any(len(seen["clean"]) >= MIN_IMAGES for seen in record["losses"])

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """The loss as it is leaves more, beyond chance and by more than logits of an ordinary scale give."""
        for seen in record["losses"]:
            plain, scaled, clean = (np.array(seen[name]) for name in ("plain", "scaled", "clean"))
            gain = plain - scaled
            if len(gain) >= MIN_IMAGES and gain.mean() > self.least * clean.mean() and _is_above_zero(gain):
                numbers = f"leave {plain.mean():.2f} of {clean.mean():.2f} right, on scaled logits {scaled.mean():.2f}"
                text = f"{evidence.name}, {task_name(seen['task'])}: {self.attack.steps} steps {numbers}"
                yield Problem(text, _numbers_on_loss(evidence, seen["task"], seen["loss"]))

    def _performances(self, look: Look, task: str, loss: str) -> Record:
        def under(scale_free: bool) -> list[float]:
            context, adversarial_loss = look.under_attack(task, LossChoice(loss, scale_free))
            return measured(look.context.target_model.outputs(self.attack(context, self.epsilon)), adversarial_loss)

        def measured(outputs: Outputs, adversarial_loss: AdversarialLoss) -> list[float]:
            assert adversarial_loss.performance is not None
            values: list[float] = adversarial_loss.performance(outputs).tolist()
            return values

        _, adversarial_loss = look.under_attack(task, LossChoice(loss))
        return {"plain": under(False), "scaled": under(True), "clean": measured(look.outputs, adversarial_loss)}


def _joined(parts: Sequence[Record]) -> Record:
    """Lists by name, those of all batches one after another."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def _is_above_zero(values: Floats) -> bool:
    """Whether the mean over images is above 0 beyond chance."""
    mean = mean_of(values)
    return mean.value > 0 and mean.p_value < 1 - LEVEL


def _numbers_on_loss(evidence: Evidence, task: str, loss: str) -> frozenset[Doubt]:
    """All numbers of the cells that were attacked through a task's loss as it is."""
    return evidence.doubts_under(lambda each: each.objective == task and unscaled_loss(each) == loss)


def _white_box_numbers(evidence: Evidence, task: str) -> frozenset[Doubt]:
    """All numbers of the cells in which a task was attacked along gradients, and of its worst case."""
    kinds = (Kind.WHITE_BOX, Kind.WORST_CASE)
    return evidence.doubts_under(lambda each: each.objective == task and kind_of(each) in kinds)
