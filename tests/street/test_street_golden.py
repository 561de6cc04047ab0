"""What `street` renders is what runs and caches say it is: VERSION names it, and these digests hold it fast."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from robustbench_seg.street import dataset
from robustbench_seg.street.dataset import VERSION, Street

GOLDEN = {
    ("street", "val", 0): ("666aeb54b3a1eccd", "2c56272d6bce5e3d"),
    ("street", "train", 1): ("6f5ee3ad16ec1d4d", "42ca96534c054861"),
    ("street-b", "val", 0): ("3d9b12e07cdec9c1", "9337540f08227339"),
    ("street-b", "test", 3): ("9e315a067d73dc06", "db53b6629310e07c"),
}
"""Of frames of 48x96 pixels, by domain, split and index: the image and the classes, then depth in decimetres."""


CONVOY = (0, "087df7a7c24af414", "036505b66d1a23ec")
"""The first of the training worlds with one, and the digests of the frames before and after."""


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]


def digests(domain: str, split: str, index: int) -> tuple[str, str]:
    frame = Street(domain, split, (48, 96), cache=False)[index]
    boxes = frame.labels["instances"]["boxes"].astype(np.int32)
    depth = np.rint(frame.labels["depth"] * 10).astype(np.int32)
    return digest(frame.image, frame.labels["semantic"], frame.labels["edges"], boxes), digest(depth)


@pytest.mark.parametrize(("domain", "split", "index"), GOLDEN)
def test_frames_are_those_of_this_version(domain, split, index):
    found = digests(domain, split, index)
    assert found == GOLDEN[domain, split, index], (
        f"frames have changed: raise VERSION in street/dataset.py above {VERSION} and put the new digests here"
    )


def test_a_convoy_changes_neighbouring_frames_alone():
    """The frames of `street-b-traffic` are those of `street-b`, to the bit."""
    plain, filmed = (Street(domain, "train", (48, 96), cache=False) for domain in ("street-b", "street-b-traffic"))
    convoys = [bool(filmed.scene(index).convoy) for index in range(4)]
    assert set(convoys) == {False, True}
    for index, has_convoy in enumerate(convoys):
        first, second = plain[index], filmed[index]
        assert np.array_equal(first.image, second.image)
        assert all(np.array_equal(first.labels[key], second.labels[key]) for key in ("semantic", "depth", "normals"))
        for before, after in zip(plain.neighbours(index), filmed.neighbours(index), strict=True):
            assert np.array_equal(before.camera["pose"], after.camera["pose"])
            assert has_convoy or np.array_equal(before.image, after.image)
    with_one = convoys.index(True)
    digests = [digest(frame.image) for frame in filmed.neighbours(with_one)]
    assert (with_one, *digests) == CONVOY


def test_the_version_is_part_of_the_fingerprint_and_of_the_cache(monkeypatch, tmp_path):
    before = Street(cache=tmp_path)
    before[0]
    fingerprint = before.fingerprint()
    monkeypatch.setattr(dataset, "VERSION", VERSION + 1)
    after = Street(cache=tmp_path)
    after[0]
    assert fingerprint != after.fingerprint()
    folders = sorted(path.name for path in (tmp_path / "street").iterdir())
    assert folders == [f"version-{VERSION}", f"version-{VERSION + 1}"]
