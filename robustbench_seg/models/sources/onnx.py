"""ONNX files as torch networks, so that gradients can be had."""

from __future__ import annotations

import warnings
from pathlib import Path

from torch import nn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.extras import library
from robustbench_seg.models.sources.base import Source
from robustbench_seg.registry import described


class ONNX(Source):
    """`onnx:FILE`: a graph of known operations with its weights, converted by onnx2torch."""

    def network(self, name: str, num_classes: int) -> nn.Module:
        """The network of a file; InputError where it is not one or has an operation that cannot be converted."""
        convert, onnx = library("onnx2torch", "onnx").convert, library("onnx", "onnx")
        if not Path(name).is_file():
            raise InputError(f"onnx:{name}: no such file")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = onnx.load(name)
                if not model.graph.node:
                    raise ValueError("it holds no graph")
                net = convert(model)
        except NotImplementedError as error:
            raise InputError(
                f"onnx:{name}: {described(error)}, so it has no gradient here; give the code that builds the network, "
                "-m FILE.py:factory, and its weights"
            ) from error
        except Exception as error:
            raise InputError(f"onnx:{name}: {described(error)}; it is not what torch.onnx.export writes") from error
        assert isinstance(net, nn.Module)
        return net

    def kept(self, name: str) -> str:
        """Nothing: UsageError, as the file is graph and weights in one."""
        raise UsageError(f"onnx:{name}: the file itself is all there is to keep; give it as it is")
