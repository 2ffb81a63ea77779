"""A Llama-family model as an ONNX file for ONNX Runtime and OpenVINO, quantized weights as the codes they are.

One graph reads prompts and single tokens alike: `input_ids` [batch, T], and the keys and values of all earlier tokens
as inputs `past_key_values.{block}.{key,value}` [batch, kv_heads, P, head_dim], which come back one step longer as
`present.{block}.{key,value}` (the names that transformers' exporters use). It computes in float32.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from torch import nn

from optlab import files
from optlab.compression import Compressed
from optlab.errors import ModelError
from optlab.kernels.onnx_graph import MICROSOFT, OPSET, Graph
from optlab.kernels.writable import check_onnx
from optlab.messages import say
from optlab.models.inputs import input_formats
from optlab.models.key_values import key_value_formats
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import MLP, Attention, RMSNorm, Transformer
from optlab.progress import Progress, silent

ONE_FILE = 1 << 31
"""A protocol buffer holds less than this many bytes; larger weights go into a second file."""
LOWEST = -1e30
"""Added to scores that must not count."""


def export(source: LanguageModel | Compressed, file: str | Path, progress: Progress = silent) -> dict[str, int]:
    """Write `source` to `file`; how many weights have which form ({"int4": 210, "float16": 62}).

    Weights above 2 GB lie beside it as `file`.data. Raises ModelError when the model cannot be expressed, the file not
    be written, or the package `onnx` is missing.
    """
    try:
        import onnx
        from onnx import helper
    except ImportError:
        raise ModelError("writing ONNX needs the package onnx: pip install onnx") from None
    model = source.model if isinstance(source, Compressed) else source
    stored = dict(source.stored) if isinstance(source, Compressed) else {}
    check_onnx(model.name, model.family, model.config)
    if not isinstance(model.module, Transformer):
        raise ModelError("{name} is computed by transformers, whose habits this file cannot say", name=model.name)
    if input_formats(model.module) or any(key_value_formats(model).values()):
        raise ModelError("this graph does not round activations, keys or values; export weights without that step")
    writer = _Writer(model.module, stored, model.structure.embedding)
    writer.write(progress)
    graph = helper.make_graph(
        writer.graph.nodes, Path(model.name).name, writer.inputs, writer.outputs, list(writer.graph.constants.values())
    )
    versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    made = helper.make_model(graph, opset_imports=versions, producer_name="optlab", ir_version=10)
    target = Path(file)
    try:
        with files.writing(target) as place:
            beside = f"{target.name}.data"
            large = made.ByteSize() >= ONE_FILE
            onnx.save(made, str(place), save_as_external_data=large, location=beside if large else None)
            if large:
                files.put(place.with_name(beside), target.with_name(beside))
    except OSError as error:
        raise ModelError("{target} cannot be written: {why}", target=target, why=files.reason(error)) from None
    return dict(writer.graph.kinds)


class _Writer:
    """The graph of one Transformer, in the order in which it computes (`optlab.models.transformer`)."""

    def __init__(self, module: Transformer, stored: dict[str, Any], embedding: str) -> None:
        self.module, self.stored, self.config = module, stored, module.config
        self.embedding = embedding
        self.graph = Graph()
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def write(self, progress: Progress) -> None:
        from onnx import TensorProto

        config, add, constant = self.config, self.graph.add, self.graph.constant
        self._declare(self.inputs, "input_ids", ["batch", "tokens"], TensorProto.INT64)
        shape: list[str | int] = ["batch", config.kv_heads, "past", config.head_dim]
        for block in range(config.blocks):
            for what in ("key", "value"):
                self._declare(self.inputs, f"past_key_values.{block}.{what}", shape, TensorProto.FLOAT)
        table = self.graph.weight("model.embed_tokens.weight", self.module.model.embed_tokens.weight)
        x = add("Gather", table, "input_ids")
        if config.embedding_scale != 1.0:
            x = add("Mul", x, constant(config.embedding_scale))
        past = add("Shape", "past_key_values.0.key", start=2, end=3)
        self.tokens = add("Shape", "input_ids", start=1, end=2)
        end = add("Add", past, self.tokens)
        one, scalar = constant([1]), constant([0])
        first, last = add("Squeeze", past, scalar), add("Squeeze", end, scalar)
        step, zero = add("Squeeze", one, scalar), add("Squeeze", scalar, scalar)
        positions = add("Range", first, last, step)
        later = add("Greater", add("Range", zero, last, step), add("Unsqueeze", positions, constant([1])))
        self.mask = add("Where", later, constant(LOWEST), constant(0.0))
        frequencies = self.graph.constant(self.module.rotary.frequencies.numpy()[None], "rotary.frequencies")
        angles = add("MatMul", add("Unsqueeze", add("Cast", positions, to=TensorProto.FLOAT), one), frequencies)
        angles = add("Concat", angles, angles, axis=-1)
        self.cos, self.sin = add("Cos", angles), add("Sin", angles)
        if self.module.rotary.amplitude != 1.0:
            amplitude = constant(self.module.rotary.amplitude)
            self.cos, self.sin = add("Mul", self.cos, amplitude), add("Mul", self.sin, amplitude)
        for number, layer in enumerate(self.module.blocks):
            progress(
                number / config.blocks,
                say("writing block {number} of {blocks}", number=number + 1, blocks=config.blocks),
            )
            prefix = f"model.layers.{number}"
            read = self._norm(x, f"{prefix}.input_layernorm", layer.attention_norm)
            x = add("Add", x, self._attention(read, f"{prefix}.self_attn", layer.self_attn, number))
            read = self._norm(x, f"{prefix}.post_attention_layernorm", layer.mlp_norm)
            x = add("Add", x, self._mlp(read, f"{prefix}.mlp", layer.mlp))
        x = self._norm(x, "model.norm", self.module.model.norm)
        if config.tied and self.embedding not in self.stored:
            logits = add("MatMul", x, add("Transpose", table, perm=[1, 0]))
        else:
            name = self.embedding if config.tied else "lm_head"
            logits = self.graph.linear(x, "lm_head", self.module.lm_head.weight, None, self.stored.get(name))
        self._output(logits, "logits", ["batch", "tokens", config.vocabulary])

    def _attention(self, x: str, prefix: str, layer: Attention, block: int) -> str:
        config, add, constant = self.config, self.graph.add, self.graph.constant
        size, shared = config.head_dim, config.heads // config.kv_heads

        def heads(name: str, count: int) -> str:
            y = add("Reshape", self._linear(x, f"{prefix}.{name}", getattr(layer, name)), constant([0, 0, count, size]))
            return str(add("Transpose", y, perm=[0, 2, 1, 3]))

        q, k = (self._rotated(heads(f"{name}_proj", count)) for name, count in
                (("q", config.heads), ("k", config.kv_heads)))  # fmt: skip
        v = heads("v_proj", config.kv_heads)
        k, v = (add("Concat", f"past_key_values.{block}.{what}", new, axis=2) for what, new in
                (("key", k), ("value", v)))  # fmt: skip
        shape: list[str | int] = ["batch", config.kv_heads, "end", size]
        for what, new in (("key", k), ("value", v)):
            self._output(new, f"present.{block}.{what}", shape)
        # The query heads of a group are rows of one multiplication with their keys and values.
        q = add("Reshape", q, constant([0, config.kv_heads, -1, size]))
        scores = add("Mul", add("MatMul", q, add("Transpose", k, perm=[0, 1, 3, 2])), constant(1 / math.sqrt(size)))
        by_head = add("Concat", constant([0, config.kv_heads, shared]), self.tokens, constant([-1]), axis=0)
        scores = add("Add", add("Reshape", scores, by_head), self.mask)
        weights = add("Reshape", add("Softmax", scores, axis=-1), self._flat(shared))
        y = add("Reshape", add("MatMul", weights, v), constant([0, config.heads, -1, size]))
        y = add("Reshape", add("Transpose", y, perm=[0, 2, 1, 3]), constant([0, 0, config.heads * size]))
        return self._linear(y, f"{prefix}.o_proj", layer.o_proj)

    def _flat(self, shared: int) -> str:
        rows = self.graph.add("Mul", self.tokens, self.graph.constant([shared]))
        ends = self.graph.constant([0, self.config.kv_heads]), self.graph.constant([-1])
        return str(self.graph.add("Concat", ends[0], rows, ends[1], axis=0))

    def _rotated(self, x: str) -> str:
        """x [B, heads, T, head_dim] with both halves turned against each other."""
        add = self.graph.add
        low, high = add("Split", x, axis=-1, num_outputs=2, outputs=2)
        turned = add("Concat", add("Neg", high), low, axis=-1)
        return str(add("Add", add("Mul", x, self.cos), add("Mul", turned, self.sin)))

    def _mlp(self, x: str, prefix: str, layer: MLP) -> str:
        add = self.graph.add
        gate, up = (self._linear(x, f"{prefix}.{name}", getattr(layer, name)) for name in ("gate_proj", "up_proj"))
        gate = (
            add("Gelu", gate, approximate="tanh")
            if layer.activation == "gelu_tanh"
            else add("Mul", gate, add("Sigmoid", gate))
        )
        return self._linear(add("Mul", gate, up), f"{prefix}.down_proj", layer.down_proj)

    def _linear(self, x: str, name: str, layer: nn.Module) -> str:
        assert isinstance(layer, nn.Linear)
        return self.graph.linear(x, name, layer.weight, layer.bias, self.stored.get(name))

    def _norm(self, x: str, name: str, layer: nn.Module) -> str:
        assert isinstance(layer, RMSNorm)
        add, weight = self.graph.add, layer.weight.detach().float() + layer.offset
        square = add("ReduceMean", add("Mul", x, x), self.graph.constant([-1]), keepdims=1)
        size = add("Sqrt", add("Add", square, self.graph.constant(layer.eps)))
        return str(add("Mul", add("Div", x, size), self.graph.weight(f"{name}.weight", weight)))

    def _declare(self, to: list[Any], name: str, shape: list[str | int], kind: int) -> None:
        from onnx import helper

        to.append(helper.make_tensor_value_info(name, kind, shape))

    def _output(self, value: str, name: str, shape: list[str | int]) -> None:
        from onnx import TensorProto, helper

        self.graph.nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._declare(self.outputs, name, shape, TensorProto.FLOAT)
