import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec


def test_an_edited_class_map_is_another_model(tmp_path):
    (tmp_path / "net.py").write_text("import torch\ndef build():\n    return torch.nn.Conv2d(3, 2, 1)\n")
    classes = tmp_path / "two.toml"
    hashes = []
    for other in ("sky", "car"):
        classes.write_text(f'classes = ["a", "b"]\n[maps.camvid11]\nroad = "a"\n{other} = "b"\n')
        torch.manual_seed(0)
        hashes.append(ModelSpec(f"{tmp_path}/net.py:build", {"classes": str(classes)}).load().sha256)
    assert hashes[0] != hashes[1]


def test_unknown_data_set_options():
    with pytest.raises(UsageError, match="takes no root"):
        DataSpec("toy", root="x").load()
    with pytest.raises(UsageError, match="needs its folder"):
        DataSpec("camvid").load()
