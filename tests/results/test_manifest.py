import json

from robustbench_seg.results.keys import FLOAT, ROUNDED, AttackConfiguration
from robustbench_seg.results.manifest import PairManifest, RunManifest


def test_it_survives_json() -> None:
    configurations = (
        AttackConfiguration("clean", "", "", (0.0,)),
        AttackConfiguration("pgd", "depth", "linf", (1 / 3, 4.0), {"steps": 40}, "40 steps"),
        AttackConfiguration("dag", "semantic", "none", (None,), scored=(FLOAT, ROUNDED)),
    )
    pair = PairManifest("m", "d", ("semantic", "depth"), ("road", "car"), configurations)
    manifest = RunManifest((pair,), {"d": ["clip", "clip"]}, {"d": ["a", "b"]}, 7)
    assert RunManifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_one_from_before_images_could_be_rounded_has_floats() -> None:
    pair = PairManifest("m", "d", ("depth",), (), (AttackConfiguration("pgd", "depth", "linf", (1.0,)),))
    manifest = RunManifest((pair,), {"d": ["clip"]}, {"d": ["a"]}, 7)
    value = json.loads(json.dumps(manifest.to_json()))
    del value["pairs"][0]["configurations"][0]["scored"]
    assert RunManifest.from_json(value) == manifest
