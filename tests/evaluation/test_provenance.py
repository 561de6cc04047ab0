import hashlib
from pathlib import Path

import kornia
import PIL
import scipy

from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.evaluation.provenance import code, provenance


def test_the_code_of_an_attack_from_elsewhere_is_part_of_a_run():
    class Mine(FGSM):
        pass

    known = code([], [FGSM])
    mine = f"{Path(__file__).name} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"
    assert code([], [FGSM, Mine]) == [*known, mine]
    assert len(known) == 2
    Mine.__module__ = "nowhere"  # as where it was typed in
    assert code([], [Mine]) == known


def test_the_libraries_that_corrupt_images_are_named_with_their_versions():
    versions = provenance("cpu")["versions"]
    assert {name: versions[name] for name in ("kornia", "pillow", "scipy")} == {
        "kornia": kornia.__version__,
        "pillow": PIL.__version__,
        "scipy": scipy.__version__,
    }
