import hashlib
from pathlib import Path

from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.evaluation.provenance import code


def test_the_code_of_an_attack_from_elsewhere_is_part_of_a_run():
    class Mine(FGSM):
        pass

    known = code([], [FGSM])
    mine = f"{Path(__file__).name} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"
    assert code([], [FGSM, Mine]) == [*known, mine]
    assert len(known) == 2
    Mine.__module__ = "nowhere"  # as where it was typed in
    assert code([], [Mine]) == known
