"""A plugin with an attack that kills, or hangs, the process it runs in."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from robustbench_seg import ATTACKS
from robustbench_seg.attacks.base import Perturbation

_FAULTS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(3600),
}


@ATTACKS.register("deadly")
@dataclass(frozen=True)
class Deadly(Perturbation):
    """Brighter images; before that its fault, once where a `marker` file is named, else every time."""

    norms: ClassVar = ("linf",)
    default_objectives: ClassVar = ()
    fault: str = "kill"
    marker: str = ""

    def run(self, context, budget):
        if not self.marker or self._first():
            _FAULTS[self.fault]()
        return context.images + budget.epsilon / 255

    def _first(self):
        try:
            Path(self.marker).open("x").close()
        except FileExistsError:
            return False
        return True
