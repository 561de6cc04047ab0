"""An objective of depth."""

from robustbench_seg import OBJECTIVES, Objective
from robustbench_seg.attacks.objectives.base import AdversarialLoss, Description


@OBJECTIVES.register("far")
class Far(Objective):
    """Ascend the error of depth of the pixels beyond ARGUMENT metres alone: far:8."""

    def __init__(self, metres, task):
        self.name, self.needs = f"far:{metres}", (task.name,)
        self.metres, self.task = float(metres), task

    @classmethod
    def parse(cls, argument, tasks):
        return [cls(argument, tasks["depth"])] if "depth" in tasks else []

    @classmethod
    def describe(cls, argument):
        return Description("far depth", f"on depth beyond {argument} m", attacks=("depth",))

    def adversarial_loss(self, reference):
        label = reference.labels[self.task.key]
        far = label.where(label > self.metres, 0)
        return AdversarialLoss(lambda outputs: self.task.loss(outputs[self.task.key], far), self.task.valid(far))
