"""Outputs as the libraries give them: networks of transformers, torchvision and smp with random weights."""

from __future__ import annotations

import pytest
import torch
import torchvision

from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.errors import InputError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec
from robustbench_seg.models.adapters.outputs import OutputSpec
from robustbench_seg.tasks.depth_align import ALIGNMENTS

pytestmark = pytest.mark.slow
IMAGES = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
TWO = ClassSet("two", ("background", "lane"), ((0, 0, 0),) * 2)


def adapted(net, output, classes=CITYSCAPES19, align="none"):
    """The output of a network under the key of its task."""
    spec = OutputSpec.parse(output)
    with torch.no_grad():
        return Adapter(net.eval(), InputSpec("none"), [spec], [classes], ALIGNMENTS[align])(IMAGES)[spec.task]


def mask2former():
    transformers = pytest.importorskip("transformers")
    swin = transformers.SwinConfig(
        embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=swin,
        **{"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "num_attention_heads": 1},
        **{"encoder_feedforward_dim": 16, "encoder_layers": 1, "decoder_layers": 2, "dim_feedforward": 16},
        num_queries=5,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


def yolos():
    transformers = pytest.importorskip("transformers")
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    return transformers.YolosForObjectDetection(transformers.YolosConfig(**size, image_size=[64, 64]))


def faster_rcnn():
    return torchvision.models.get_model(
        "fasterrcnn_mobilenet_v3_large_320_fpn", weights=None, weights_backbone=None, num_classes=3
    )


@pytest.mark.parametrize("make", [mask2former, yolos, faster_rcnn])
def test_networks_of_queries_and_instances_are_refused(make):
    torch.manual_seed(0)
    with pytest.raises(InputError, match="a class and a mask or box for each of some queries or instances"):
        adapted(make(), "semantic")


def test_predicted_depth_of_dpt_is_found():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.DPTConfig(
        **{"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 1, "intermediate_size": 16},
        **{"image_size": 64, "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8] * 4},
        **{"fusion_hidden_size": 8, "is_hybrid": False},
    )
    net = transformers.DPTForDepthEstimation(config).eval()
    with torch.no_grad():
        inverse = net(IMAGES).predicted_depth
    torch.testing.assert_close(adapted(net, "depth:inverse", align="affine"), inverse.clamp(min=1e-6).reciprocal())


def test_one_channel_of_smp_is_two_classes():
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    net = smp.Unet("resnet18", encoder_weights=None, classes=1).eval()
    with torch.no_grad():
        logit = net(IMAGES)
    torch.testing.assert_close(adapted(net, "lanes=semantic", TWO), torch.cat([torch.zeros_like(logit), logit], 1))
