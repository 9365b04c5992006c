"""Torch-free conversion of the MiniLM weights: to ONNX in fp32 and int8, and to a table of static token embeddings.

`onnx` is imported inside the functions, so a process that finds the converted files in its cache never
loads it.

Architecture: Wang et al., "MiniLM: Deep Self-Attention Distillation" (arXiv:2002.10957); pooling and
normalisation as in the model's own `modules.json` (mean over the attention mask, then L2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]

LAYERS = 6
HEADS = 12
HIDDEN = 384
HEAD_SIZE = HIDDEN // HEADS
LAYER_NORM_EPSILON = 1e-12

# Old enough for every onnxruntime this package allows, new enough for Gelu and LayerNormalization.
OPSET = 20
IR_VERSION = 9

FLOAT = 1  # onnx.TensorProto.FLOAT
INT8_MAX = 127
INT7_MAX = 63


class _Graph:
    """Collects nodes and initializers, naming every value it makes."""

    def __init__(self, int8: bool) -> None:
        self.int8 = int8
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Array) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        return self.add_many(op, *inputs, outs=[out or f"{op.lower()}_{len(self.nodes)}"], **attributes)[0]

    def add_many(self, op: str, *inputs: str, outs: list[str], **attributes: Any) -> list[str]:
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), outs, name=f"{op}_{len(self.nodes)}", **attributes))
        return outs

    def linear(self, x: str, name: str, weight: Array, bias: Array) -> str:
        """`x @ weight.T + bias`, with the weight stored as PyTorch stores it: (out, in).

        In int8, activations are quantised to 8 bits as they come and weights to 7 bits, symmetric. The eighth
        bit would let the 16-bit sums of CPUs without VNNI saturate; with seven, every CPU computes the same.
        """
        if self.int8:
            table, scale = _quantise(weight, INT7_MAX, axis=1)
            codes, x_scale, x_zero = self.add_many(
                "DynamicQuantizeLinear", x, outs=[f"{name}.x", f"{name}.x_scale", f"{name}.x_zero"]
            )
            zero = self.constant(f"{name}.weight_zero", np.zeros(len(weight), np.int8))
            total = self.add("MatMulInteger", codes, self.constant(f"{name}.weight", table.T), x_zero, zero)
            unit = self.add("Mul", x_scale, self.constant(f"{name}.weight_scale", scale[:, 0]))
            product = self.add("Mul", self.add("Cast", total, to=FLOAT), unit)
        else:
            product = self.add("MatMul", x, self.constant(f"{name}.weight", weight.T))
        return self.add("Add", product, self.constant(f"{name}.bias", bias))

    def layer_norm(self, x: str, name: str, weights: Weights) -> str:
        scale = self.constant(f"{name}.weight", weights[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", weights[f"{name}.bias"])
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)


def _quantise(table: Array, top: int, axis: int) -> tuple[Array, Array]:
    """Symmetric codes in [-top, top] and the float32 scale of each slice along `axis` (kept as size 1)."""
    scale = np.abs(table).max(axis=axis, keepdims=True) / np.float32(top)
    scale[scale == 0.0] = 1.0
    return np.rint(table / scale).astype(np.int8), scale.astype(np.float32)


def build_graph(weights: Weights, *, int8: bool) -> onnx.ModelProto:
    """Build the encoder: `input_ids`, `attention_mask` int64 (n, tokens) → `embedding` float32 (n, 384).

    Mean pooling and L2 normalisation are inside the graph. With `int8` the word table has
    one scale a row and the linear layers one scale an output channel; see `_Graph.linear`.
    """
    from onnx import TensorProto, helper

    g = _Graph(int8)
    ids = ("n", "tokens")
    hidden = _embed(g, weights)
    attend = _attention_bias(g)
    for layer in range(LAYERS):
        hidden = _transformer_layer(g, hidden, attend, f"encoder.layer.{layer}", weights)
    _pool(g, hidden)
    graph = helper.make_graph(
        g.nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ids) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ("n", HIDDEN))],
        g.initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _embed(g: _Graph, weights: Weights) -> str:
    words = weights["embeddings.word_embeddings.weight"]
    if g.int8:
        codes, scale = _quantise(words, INT8_MAX, axis=1)
        table = g.constant("words.codes", codes)
        rows = g.add("Cast", g.add("Gather", table, "input_ids"), to=FLOAT)
        scales = g.add("Gather", g.constant("words.scale", scale), "input_ids")
        word = g.add("Mul", rows, scales)
    else:
        word = g.add("Gather", g.constant("words", words), "input_ids")
    # Single-sentence input: the token type is always 0, so its row is part of the position table.
    positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    length = g.add("Shape", "input_ids", start=1, end=2)
    zero = g.constant("zero", np.array([0], np.int64))
    position = g.add("Slice", g.constant("positions", positions), zero, length, zero)
    return g.layer_norm(g.add("Add", word, position), "embeddings.LayerNorm", weights)


def _attention_bias(g: _Graph) -> str:
    """0 for real tokens, -10000 for padding, shaped (n, 1, 1, tokens)."""
    mask = g.add("Cast", "attention_mask", out="mask", to=FLOAT)
    missing = g.add("Sub", mask, g.constant("one", np.array(1.0, np.float32)))
    bias = g.add("Mul", missing, g.constant("large", np.array(10000.0, np.float32)))
    return g.add("Unsqueeze", bias, g.constant("head_axes", np.array([1, 2], np.int64)))


def _transformer_layer(g: _Graph, x: str, attend: str, name: str, weights: Weights) -> str:
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    # The 1/sqrt(head size) of the scores is folded into the query; one product makes all three.
    scales = (1.0 / math.sqrt(HEAD_SIZE), 1.0, 1.0)
    weight = np.concatenate([weights[f"{p}.weight"] * np.float32(s) for p, s in zip(parts, scales, strict=True)])
    bias = np.concatenate([weights[f"{p}.bias"] * np.float32(s) for p, s in zip(parts, scales, strict=True)])
    qkv = g.linear(x, f"{name}.qkv", weight, bias)
    split = g.add("Reshape", qkv, g.constant(f"{name}.heads", np.array([0, 0, 3 * HEADS, HEAD_SIZE], np.int64)))
    by_head = g.add("Transpose", split, perm=[0, 2, 1, 3])
    query, key, value = g.add_many("Split", by_head, outs=[f"{name}.{part}" for part in "qkv"], axis=1, num_outputs=3)
    scores = g.add("Add", g.add("MatMul", query, g.add("Transpose", key, perm=[0, 1, 3, 2])), attend)
    context = g.add("MatMul", g.add("Softmax", scores, axis=-1), value)
    joined = g.add("Transpose", context, perm=[0, 2, 1, 3])
    flat = g.add("Reshape", joined, g.constant(f"{name}.hidden", np.array([0, 0, HIDDEN], np.int64)))

    def dense(inputs: str, part: str) -> str:
        return g.linear(inputs, f"{name}.{part}", weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"])

    attended = g.add("Add", dense(flat, "attention.output.dense"), x)
    attended = g.layer_norm(attended, f"{name}.attention.output.LayerNorm", weights)
    expanded = g.add("Gelu", dense(attended, "intermediate.dense"))
    return g.layer_norm(g.add("Add", dense(expanded, "output.dense"), attended), f"{name}.output.LayerNorm", weights)


def _pool(g: _Graph, hidden: str) -> None:
    token_axis = g.constant("token_axis", np.array([1], np.int64))
    last_axis = g.constant("last_axis", np.array([-1], np.int64))
    weighted = g.add("Mul", hidden, g.add("Unsqueeze", "mask", last_axis))
    total = g.add("ReduceSum", weighted, token_axis, keepdims=0)
    count = g.add(
        "Max",
        g.add("ReduceSum", "mask", token_axis, keepdims=1),
        g.constant("tiny", np.array([1e-9], np.float32)),
    )
    mean = g.add("Div", total, count)
    length = g.add(
        "Max",
        g.add("ReduceL2", mean, last_axis, keepdims=1),
        g.constant("tinier", np.array([1e-12], np.float32)),
    )
    g.add("Div", mean, length, out="embedding")


def write_fp32(weights: Weights, path: Path) -> None:
    """Write the fp32 model to `path`."""
    import onnx

    onnx.save_model(build_graph(weights, int8=False), str(path))


def write_int8(weights: Weights, path: Path) -> None:
    """Write the int8 model (weights per output channel, activations quantised at run time) to `path`."""
    import onnx

    onnx.save_model(build_graph(weights, int8=True), str(path))


FIRST_WORD = 996
"""Vocabulary entries before this one are special tokens and places never used."""


def static_table(word_embeddings: Array) -> npt.NDArray[np.float16]:
    """Word embeddings (vocabulary, 384) made ready to be added up: centred, weighted, in half precision.

    A token weighs the logarithm of its rank: the vocabulary is in order of frequency, so frequent words count for
    less, as in Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence Embeddings".
    """
    ranks = np.log1p(np.maximum(np.arange(len(word_embeddings)) - FIRST_WORD, 1))
    centred = word_embeddings - word_embeddings[FIRST_WORD:].mean(axis=0)
    return np.asarray(centred * (ranks / ranks.mean())[:, None], np.float16)


def write_static(weights: Weights, path: Path) -> None:
    """Write the table of static token embeddings to `path`, in NumPy's format."""
    with path.open("wb") as file:
        np.save(file, static_table(weights["embeddings.word_embeddings.weight"]))
