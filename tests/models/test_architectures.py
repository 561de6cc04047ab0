import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.models.architecture import Request
from robustbench_seg.models.architectures import build
from robustbench_seg.models.normalization import Normalization


@pytest.mark.parametrize("parameters", [{"width": -1}, {"skip_finest": 9}, {"head_kernel": -1}])
def test_what_cannot_be_built_is_one_line(parameters):
    request = Request(("semantic",), 11, Normalization.parse("imagenet"))
    with pytest.raises(InputError, match="cannot be built") as caught:
        build("fpn", parameters, request, "card")
    assert "\n" not in str(caught.value)
