import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build


@pytest.mark.parametrize("parameters", [{"width": -1}, {"skip_finest": 9}, {"head_kernel": -1}])
def test_what_cannot_be_built_is_one_line(parameters):
    request = NetworkRequest(("semantic",), 11, Normalization.parse("imagenet"))
    with pytest.raises(InputError, match="cannot be built") as caught:
        build("fpn", parameters, request, "card")
    assert "\n" not in str(caught.value)
