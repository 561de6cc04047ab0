"""Fills a network with the weights in a file, from the entry of it that fits."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from pathlib import Path
from typing import NoReturn

from torch import Tensor, nn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.entries import State, choose
from robustbench_seg.models.catalogue.weights import fit, read_safetensors
from robustbench_seg.models.weightfiles.formats import Format, format_of
from robustbench_seg.models.weightfiles.torchfile import ConversionError, read_torch
from robustbench_seg.registry import printable


def fill(net: nn.Module, weights: str | Path, ignore_unexpected: bool = False) -> tuple[str, tuple[str, ...]]:
    """Load FILE or FILE:KEY into a network; the entry that was taken, as FILE:ENTRY, and notes on what was chosen."""
    path, key = split_entry(str(weights))
    network = _tensors(net)
    choice = choose(read_weights(path), network, str(path), key)
    where = f"{path}:{choice.entry}" if choice.entry else str(path)
    unexpected = (
        "" if not choice.extra else f"{_counted(choice.extra)} that the network lacks ({_listed(choice.extra)})"
    )
    if choice.fits and unexpected and not ignore_unexpected:
        raise InputError(f"{where}: has {unexpected}; --ignore-unexpected leaves them out, if they only serve training")
    try:
        fit(net, choice.state if ignore_unexpected else choice.extra | choice.state, where)
    except InputError as error:
        raise InputError(f"{error}{_other_outputs(choice.state, network)}") from None
    notes = []
    if choice.other is not None:
        notes.append(
            f"weights: averaged weights '{choice.entry}' taken; for the plain ones give --weights {path}:{choice.other}"
        )
    if unexpected:
        notes.append(f"weights: left out {unexpected}")
    return where, tuple(notes)


def refuse_as_model(path: Path) -> NoReturn:
    """The one line for a file that is given as a model: what is missing for it to be one."""
    if path.suffix == ".py" and path.is_file():
        raise UsageError(f"model '{path}': name what builds the network in it, -m {path}:FACTORY")
    form = format_of(path)
    call = f"-m FILE.py:factory --weights {path}"
    if form is not Format.SAFETENSORS:
        try:
            read_torch(path, form)
        except ConversionError as error:
            raise InputError(f"model {error}; then evaluate those: {call.removesuffix(str(path))}FILE") from None
    raise UsageError(f"model '{path}': holds weights alone; give the code that builds the network too: {call}")


def split_entry(text: str) -> tuple[Path, str | None]:
    """`FILE` or `FILE:KEY`; a file whose own name has a colon is taken as it is."""
    file, colon, key = text.rpartition(":")
    if Path(text).exists() or not colon or not file:
        return Path(text), None
    if not key:
        raise UsageError(f"--weights {text}: write FILE:KEY, or FILE alone")
    return Path(file), key


def read_weights(path: Path) -> object:
    """What a file of weights holds, read without running anything in it; InputError where it is none."""
    form = format_of(path)
    return read_safetensors(path) if form is Format.SAFETENSORS else read_torch(path, form)


def _tensors(net: nn.Module) -> State:
    return {key: value for key, value in net.state_dict().items() if isinstance(value, Tensor)}


def _other_outputs(state: State, network: State) -> str:
    """A hint where shapes differ in the number of outputs alone, as of a head for other classes."""
    shapes = [(value.shape, network[name].shape) for name, value in state.items()]
    counts = {(*a[:1], *b[:1]) if a[1:] == b[1:] else () for a, b in shapes if a != b}
    if len(counts) != 1 or () in counts:
        return ""
    return "; {} outputs for {}: give the --classes or the factory that it was trained with".format(*counts.pop())


def _counted(keys: Sized) -> str:
    return f"{len(keys)} key{'' if len(keys) == 1 else 's'}"


def _listed(keys: Iterable[str]) -> str:
    names = [printable(key) for key in keys]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
