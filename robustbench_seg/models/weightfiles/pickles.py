"""The pickle in a checkpoint: which types it names, and which of them may stand beside tensors.

Nothing that a pickle names is ever imported or called. What rebuilds tensors is torch's own, under `weights_only`;
of the harmless rest (`argparse.Namespace`, numpy scalars, paths, …), which training scripts save beside the
weights, only stand-ins are made, because nobody reads it.
"""

from __future__ import annotations

import codecs
import pickletools
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

import torch


class StandIn:
    """In place of an object of a type that a pickle names: takes whatever it is made of and keeps nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> StandIn:
        """Take any arguments."""
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _Dict:
    """In place of a subclass of dict: a plain one, so that what lies in it is found."""

    def __new__(cls, *args: object) -> OrderedDict[object, object]:  # type: ignore[misc]
        return OrderedDict()


class _List:
    def __new__(cls, *args: object) -> list[object]:  # type: ignore[misc]
        return []


def _named(text: str) -> Iterator[str]:
    """`module: name name` lines as dotted names."""
    for line in text.strip().splitlines():
        modules, _, names = line.partition(":")
        yield from (f"{module}.{name}" for module in modules.split() for name in names.split())


_OBJECTS = """
argparse: Namespace
types: SimpleNamespace
pathlib pathlib._local: Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
datetime: date datetime time timedelta timezone
decimal: Decimal
fractions: Fraction
uuid: UUID
typing: Any
builtins: bool bytes dict float frozenset int list object range slice str tuple type getattr
numpy: dtype ndarray bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 str_
numpy.core.multiarray numpy._core.multiarray: scalar _reconstruct
torch.torch_version: TorchVersion
packaging.version: Version
mmengine.logging.history_buffer: HistoryBuffer
omegaconf.dictconfig: DictConfig
omegaconf.listconfig: ListConfig
omegaconf.base: ContainerMetadata Metadata
omegaconf.nodes: AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode PathNode StringNode
pytorch_lightning.callbacks.model_checkpoint lightning.pytorch.callbacks.model_checkpoint: ModelCheckpoint
pytorch_lightning.callbacks.early_stopping lightning.pytorch.callbacks.early_stopping: EarlyStopping
"""
_DICTS = """
collections: defaultdict
lightning_fabric.utilities.data lightning.fabric.utilities.data: AttributeDict
pytorch_lightning.utilities.parsing lightning.pytorch.utilities.parsing: AttributeDict
easydict: EasyDict
addict.addict: Dict
yacs.config fvcore.common.config detectron2.config.config: CfgNode
mmcv.utils.config mmengine.config.config: ConfigDict
munch: Munch
"""
HARMLESS: dict[str, Callable[..., object]] = {
    **dict.fromkeys(_named(_OBJECTS), StandIn),
    **dict.fromkeys(_named(_DICTS), _Dict),
    "collections.deque": _List,
}
"""What stands in for a type, by its dotted name."""

# `builtins.bytearray`, which torch allows too, is left out: thirty bytes make one of any size.
_TENSORS = re.compile(
    r"torch\.(Size|device|Tensor|(cuda\.)?[A-Za-z0-9]*Storage|storage\.(Untyped|Typed)Storage|nn\.parameter\.Parameter)"
    r"|torch\._utils\._rebuild_(tensor(_v2|_v3)?|parameter(_with_state)?)"
    r"|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\._get_layout"
    r"|collections\.(OrderedDict|Counter)|_codecs\.encode|builtins\.(set|complex)"
)
_ENCODE = "_codecs.encode"
"""How old pickles hold bytes: as text in latin1."""
_LONGEST_CODEC = 30
_DTYPES = frozenset(str(value) for value in vars(torch).values() if isinstance(value, torch.dtype))


class Scan(NamedTuple):
    """What a pickle says without being loaded: the types it names, in order, and whether torch can read its like."""

    types: tuple[str, ...]
    protocol: int

    @property
    def refused(self) -> list[str]:
        """The types that neither rebuild a tensor nor are harmless."""
        return [name for name in self.types if not _is_harmless(name)]


def scan(stream: BinaryIO, pickles: int = 1) -> Scan:
    """Scan the next pickles of a stream; whatever it raises means that they are damaged."""
    steps = chain.from_iterable(pickletools.genops(stream) for _ in range(pickles))
    types: dict[str, None] = {}
    protocol = 0
    memo: list[str] = []
    strings, codec = ["", ""], ""
    for opcode, argument, _ in steps:
        match opcode.name, argument:
            case "PROTO", int():
                protocol = max(protocol, argument)
            case "GLOBAL" | "INST", str():
                types[_dotted(*argument.split(" ", 1))] = None
            case "STACK_GLOBAL", _:  # of protocol 4, whose names are strings that may stand in the memo
                types[_dotted(*strings)] = None
            case "MEMOIZE", _:
                memo.append(strings[1])
            case "BINGET", int() if argument < len(memo):
                strings = [strings[1], memo[argument]]
            case _, str():
                strings = [strings[1], argument]
                if _makes_bytes_of_bytes(argument):
                    codec = argument
    if codec and _ENCODE in types:
        types[f"{_ENCODE}[{codec}]"] = None
    return Scan(tuple(types), protocol)


def _makes_bytes_of_bytes(name: str) -> bool:
    """Whether a text names a codec such as hex, which nested doubles its input each time until memory is full."""
    try:
        return len(name) < _LONGEST_CODEC and not codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        return False


def stand_ins(types: Iterable[str] = ()) -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """What `torch.serialization.safe_globals` takes: the harmless types, and the other `types`, as stand-ins."""
    names = {name: StandIn for name in types if not _is_harmless(name)}
    return [(stand_in, name) for name, stand_in in (names | HARMLESS).items()]


def _is_harmless(name: str) -> bool:
    return name in HARMLESS or name in _DTYPES or _TENSORS.fullmatch(name) is not None


def _dotted(module: str, name: str) -> str:
    """The name in Python 3: protocol 2, which torch writes, has those of Python 2."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"
