"""The layer map: what every parameter of a model is for, found from how the modules are put together.

A language model is an embedding, a ModuleList of blocks, and a head. Inside a block a linear layer belongs to attention
when it sits in an attention module, else to an MLP (one, or one for each expert) or to what mixes tokens in its place;
its shape says the rest: the largest of two attention layers is q, k and v in one, the last layer of an MLP leads back
to the width of the model. Only q, k, v and gate need a look at their names, because nothing else tells them apart.

Routers choose experts: a change of theirs sends tokens elsewhere and saves nothing, so no recipe touches them.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Structure:
    """Where the parts of a model are. Names are module names; blocks are in order of computation.

    kinds: every module with a weight -> its kind, in the order of the module. linears: linear layers of the blocks,
    without routers.
    body: the innermost module with embedding and blocks inside, which turns ids into what the head reads.
    """

    blocks: tuple[str, ...]
    kinds: dict[str, str]
    linears: tuple[str, ...]
    embedding: str
    head: str
    body: str
    tied: bool

    def multiplied(self, name: str) -> str | None:
        """The layer whose input the weight `name` multiplies; None for a table whose rows are only looked up (an untied
        embedding, positions, segments), where every weight counts alike and alone."""
        if name == self.embedding and self.tied:
            return self.head
        return None if self.kinds.get(name) == "embedding" else name

    def block_of(self, name: str) -> int | None:
        """The number of the block that a module or parameter lies in, None outside of the blocks."""
        for number, block in enumerate(self.blocks):
            if name.startswith(block + "."):
                return number
        return None


def is_conv1d(module: nn.Module) -> bool:
    """Whether it is GPT-2's linear layer, which stores its weight as [in, out]."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def is_linear(module: nn.Module) -> bool:
    """Whether it multiplies by a weight matrix."""
    from torch import nn

    return isinstance(module, nn.Linear) or is_conv1d(module)


def linear_weight(module: Any) -> Tensor:
    """The weight of a linear layer or embedding as [out, in], a view of what the module holds."""
    weight: Tensor = module.weight
    return weight.T if is_conv1d(module) else weight


def analyse(module: nn.Module) -> Structure:
    """The structure of a causal or masked language model. Raises ModelError when it has none that is known here."""
    from torch import nn

    lists = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.ModuleList) and len(m)]
    lists = [(n, m) for n, m in lists if any(is_linear(part) for part in m.modules())]
    if not lists:
        raise ModelError("the model has no list of blocks with linear layers, so its layers cannot be told apart")
    prefix, container = max(lists, key=lambda pair: sum(p.numel() for p in pair[1].parameters()))
    embedding, head = _ends(module)
    kinds: dict[str, str] = {}
    blocks = tuple(f"{prefix}.{number}" for number in range(len(container)))
    for block_name, block in zip(blocks, container, strict=True):
        kinds |= {f"{block_name}.{name}": kind for name, kind in _block_kinds(block).items()}
    names = {id(part): name for name, part in module.named_modules()}
    outside = {}
    for name, part in module.named_modules():
        if name in kinds or getattr(part, "weight", None) is None or any(name.startswith(f"{b}.") for b in blocks):
            continue
        outside[name] = _outside_kind(part, part is embedding, part is head)
    order = {name: place for place, (name, _) in enumerate(module.named_modules())}
    return Structure(
        blocks=blocks,
        kinds=dict(sorted((kinds | outside).items(), key=lambda item: order[item[0]])),
        linears=tuple(n for n, kind in kinds.items() if kind != "router" and is_linear(module.get_submodule(n))),
        embedding=names[id(embedding)],
        head=names[id(head)],
        body=_shared_path(names[id(embedding)], prefix),
        tied=getattr(embedding, "weight", None) is getattr(head, "weight", None),
    )


def _shared_path(first: str, second: str) -> str:
    pairs = zip(first.split("."), second.split("."), strict=False)
    return ".".join(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _ends(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """(embedding, head) of the model."""
    if hasattr(module, "get_input_embeddings"):
        embedding, head = module.get_input_embeddings(), module.get_output_embeddings()  # type: ignore[operator]
    else:
        embedding, head = module.get_submodule("model.embed_tokens"), module.get_submodule("lm_head")
    if embedding is None or head is None:
        raise ModelError("the model has no embedding or no head, so it predicts no tokens")
    return embedding, head


def _outside_kind(part: nn.Module, is_embedding: bool, is_head: bool) -> str:
    from torch import nn

    if is_head:
        return "head"
    if is_embedding or isinstance(part, nn.Embedding):
        return "embedding"
    return "norm" if part.weight.ndim == 1 else "other"


def _block_kinds(block: nn.Module) -> dict[str, str]:
    """Kind of every module with a weight inside one block, in order, attention first."""
    parts = {name: part for name, part in block.named_modules() if getattr(part, "weight", None) is not None}
    routers = _routers(block, parts)
    attention_roots = [n for n, m in block.named_modules() if n and "attention" in type(m).__name__.lower()]
    linears = {name: part for name, part in parts.items() if is_linear(part) and name not in routers}
    attention = {n: m for n, m in linears.items() if any(n.startswith(f"{root}.") for root in attention_roots)}
    mlp = {n: m for n, m in linears.items() if n not in attention}
    kinds = {**_attention_kinds(attention), **_all_mlp_kinds(block, mlp), **dict.fromkeys(routers, "router")}
    for name, part in parts.items():
        if name not in kinds:
            kinds[name] = "norm" if part.weight.ndim == 1 else "state"
    return {name: kinds[name] for name in parts}


def _routers(block: nn.Module, parts: dict[str, nn.Module]) -> set[str]:
    """What decides which experts read a token: it sits beside them, or in a module that is called a router."""
    beside = {name.rpartition(".")[0] for name in _experts(block)}
    inside = [name for name, part in block.named_modules() if name and "router" in type(part).__name__.lower()]
    return {
        name
        for name, part in parts.items()
        if part.weight.ndim == 2
        and (name.rpartition(".")[0] in beside or any(f"{name}.".startswith(f"{root}.") for root in inside))
    }


def _experts(block: nn.Module) -> list[str]:
    from optlab.models.experts import SeparateExperts

    return [name for name, part in block.named_modules() if isinstance(part, SeparateExperts)]


def _attention_kinds(linears: dict[str, nn.Module]) -> dict[str, str]:
    if len(linears) == 2:
        by_height = sorted(linears, key=lambda name: linear_weight(linears[name]).shape[0])
        return {by_height[1]: "attention.qkv", by_height[0]: "attention.o"}
    kinds = {}
    for name in linears:
        leaf = name.rpartition(".")[2]
        letter = re.match(r"([qkv])(_|$|uery|ey|alue)", leaf)
        output = re.match(r"(o|out|c_proj|dense)(_|$)", leaf)
        kinds[name] = f"attention.{letter[1]}" if letter else "attention.o" if output else "other"
    return kinds


def _all_mlp_kinds(block: nn.Module, linears: dict[str, nn.Module]) -> dict[str, str]:
    """Kinds of the linear layers outside of attention. Each expert is an MLP; the rest is one, or has one inside."""
    experts = _experts(block)
    groups: dict[str, dict[str, nn.Module]] = {}
    for name, part in linears.items():
        root = next((root for root in experts if name.startswith(f"{root}.")), None)
        mlp = "" if root is None else name.rpartition(".")[0]
        groups.setdefault(mlp, {})[name] = part
    rest = groups.pop("", {})
    if rest and _mlp_kinds(rest) is None:
        for name, part in rest.items():
            groups.setdefault(name.rpartition(".")[0], {})[name] = part
    else:
        groups[""] = rest
    kinds: dict[str, str] = {}
    for group in groups.values():
        kinds |= _mlp_kinds(group) or dict.fromkeys(group, "other")
    return kinds


def _mlp_kinds(linears: dict[str, nn.Module]) -> dict[str, str] | None:
    """Kinds of the layers of one MLP; None when they are not those of an MLP."""
    names = list(linears)
    shapes = {name: tuple(linear_weight(part).shape) for name, part in linears.items()}
    if len(names) == 2:
        up, down = names
        if shapes[up][0] not in (shapes[down][1], 2 * shapes[down][1]):
            return None
        return {up: "mlp.gate_up" if shapes[up][0] == 2 * shapes[down][1] else "mlp.up", down: "mlp.down"}
    gates = [name for name in names if re.search(r"gate|w1$", name.rpartition(".")[2])]
    if len(names) == 3 and len(gates) == 1:
        back = [name for name in names if shapes[name] == shapes[gates[0]][::-1] and re.search(r"down|w2|out", name)]
        down = back[0] if back else names[-1]
        return {name: "mlp.gate" if name == gates[0] else "mlp.down" if name == down else "mlp.up" for name in names}
    return None
