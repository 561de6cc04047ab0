import json

from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.manifest import PairManifest, RunManifest


def test_it_survives_json() -> None:
    configurations = (
        AttackConfiguration("clean", "", "", (0.0,)),
        AttackConfiguration("pgd", "depth", "linf", (1 / 3, 4.0), {"steps": 40}, "40 steps"),
        AttackConfiguration("dag", "semantic", "none", (None,)),
    )
    pair = PairManifest("m", "d", ("semantic", "depth"), ("road", "car"), configurations)
    manifest = RunManifest((pair,), {"d": ["clip", "clip"]}, {"d": ["a", "b"]}, 7)
    assert RunManifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
