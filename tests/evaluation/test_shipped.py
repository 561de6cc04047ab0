"""A shipped model through the evaluation: what design promises of batches holds on a real network."""

import pytest

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.protocol import AttackPlan, Protocol

PROTOCOL = Protocol(
    "batches",
    (
        *(AttackPlan(name, (1.0, 4.0)) for name in ("gaussian", "salt_and_pepper", "fgsm")),
        AttackPlan("pgd", (1.0, 4.0), params={"steps": 5}),
    ),
)


@pytest.mark.slow
def test_batches_of_1_3_and_8_agree(tmp_path):
    tables = []
    for batch in (1, 3, 8):
        models, datasets = [ModelSpec("street-multi")], [DataSpec("street")]
        config = EvaluationConfig(models, datasets, PROTOCOL, limit=10, batch_size=batch, workers=1)
        folder = tmp_path / str(batch)
        tables.append(run_evaluation(PreparedEvaluation(config, folder), folder).summary)
    first = tables[0]
    noise = first.attack.isin(["clean", "gaussian", "salt_and_pepper"])
    miou = first.metric == "miou"
    for other in tables[1:]:
        assert ((first.value - other.value) / first.value)[noise].abs().max() <= 1e-4
        assert (first.value - other.value)[~noise & miou].abs().max() <= 2e-3
        assert (first.rms == other.rms)[noise].all()
