"""all-MiniLM-L6-v2 as an ONNX graph, made from the published weights without torch.

BERT's encoder (Devlin et al., 2018), mean over the words that are there, length 1. The weights of
matrices are int8 with a scale for each output channel; what flows in is quantised as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 9
# Kernels for processors without VNNI add two products of int8 and uint8 in 16 bits: with 7 bits a
# weight they can not overflow, and nothing is lost by it (mean cosine to the original, on such a
# processor: .9932 with 7 bits, .9923 with 8).
WEIGHT_MAX = 63


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A BERT's measures; the numbers of layers and of values come from the weights."""

    heads: int = 12
    epsilon: float = 1e-12


@dataclass
class _Builder:
    weights: Mapping[str, NDArray[Any]]
    shape: Shape
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, value: Any, dtype: Any = None) -> str:
        if name not in self.constants:
            array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
            self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def add(self, op: str, *inputs: str, out: str, outputs: int = 1, **attributes: Any) -> str:
        names = [out] if outputs == 1 else [f"{out}.{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=out, **attributes))
        return out

    def weight(self, name: str) -> NDArray[np.float32]:
        return np.asarray(self.weights[name], dtype=np.float32)

    def table(self, ids: str, name: str, out: str) -> str:
        """Rows of an embedding table, which is kept as int8 with a scale for each row."""
        rows = self.weight(name)
        scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12) / 127
        table = self.constant(f"{out}.table", np.rint(rows / scales), np.int8)
        factor = self.constant(f"{out}.scales", scales, np.float32)
        picked = self.add("Gather", table, ids, out=f"{out}.picked")
        wide = self.add("Cast", picked, out=f"{out}.wide", to=TensorProto.FLOAT)
        scale = self.add("Gather", factor, ids, out=f"{out}.scale")
        return self.add("Mul", wide, scale, out=out)

    def quantised(self, x: str) -> tuple[str, str, str]:
        name = f"{x}.q"
        self.add("DynamicQuantizeLinear", x, out=name, outputs=3)
        return f"{name}.0", f"{name}.1", f"{name}.2"

    def dense(self, quantised: tuple[str, str, str], weights: list[str], out: str) -> str:
        """x · Wᵀ + b; several layers of the same input are one product."""
        matrix = np.concatenate([self.weight(f"{name}.weight") for name in weights]).T
        bias = np.concatenate([self.weight(f"{name}.bias") for name in weights])
        scales = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / WEIGHT_MAX
        values, scale, zero = quantised
        w = self.constant(f"{out}.w", np.rint(matrix / scales), np.int8)
        zeros = self.constant(f"{out}.zeros", np.zeros(matrix.shape[1]), np.int8)
        whole = self.add("MatMulInteger", values, w, zero, zeros, out=f"{out}.int")
        cast = self.add("Cast", whole, out=f"{out}.cast", to=TensorProto.FLOAT)
        ws = self.constant(f"{out}.ws", scales, np.float32)
        factor = self.add("Mul", scale, ws, out=f"{out}.factor")
        scaled = self.add("Mul", cast, factor, out=f"{out}.scaled")
        return self.add("Add", scaled, self.constant(f"{out}.b", bias, np.float32), out=out)

    def norm(self, x: str, weights: str, out: str) -> str:
        return self.add(
            "LayerNormalization",
            x,
            self.constant(f"{out}.g", self.weight(f"{weights}.weight")),
            self.constant(f"{out}.b", self.weight(f"{weights}.bias")),
            out=out,
            axis=-1,
            epsilon=self.shape.epsilon,
        )

    def layer(self, x: str, number: int, width: int) -> str:
        base, out = f"encoder.layer.{number}", f"l{number}"
        heads, size = self.shape.heads, width // self.shape.heads
        names = [f"{base}.attention.self.{part}" for part in ("query", "key", "value")]
        together = self.dense(self.quantised(x), names, f"{out}.qkv")
        apart = self.add(
            "Reshape",
            together,
            self.constant("heads", [0, 0, 3 * heads, size], np.int64),
            out=f"{out}.apart",
        )
        first = self.add("Transpose", apart, out=f"{out}.first", perm=[0, 2, 1, 3])
        self.add("Split", first, out=f"{out}.split", outputs=3, axis=1, num_outputs=3)
        turned = self.add("Transpose", f"{out}.split.1", out=f"{out}.kt", perm=[0, 1, 3, 2])
        query = self.add(
            "Mul",
            f"{out}.split.0",
            self.constant("root", size**-0.5, np.float32),
            out=f"{out}.query",
        )
        scores = self.add("MatMul", query, turned, out=f"{out}.scores")
        masked = self.add("Add", scores, "hidden", out=f"{out}.masked")
        share = self.add("Softmax", masked, out=f"{out}.share", axis=-1)
        mixed = self.add("MatMul", share, f"{out}.split.2", out=f"{out}.mixed")
        back = self.add("Transpose", mixed, out=f"{out}.back", perm=[0, 2, 1, 3])
        joined = self.add(
            "Reshape", back, self.constant("joined", [0, 0, width], np.int64), out=f"{out}.joined"
        )
        attended = self.dense(
            self.quantised(joined), [f"{base}.attention.output.dense"], f"{out}.attended"
        )
        first_sum = self.add("Add", attended, x, out=f"{out}.sum1")
        middle = self.norm(first_sum, f"{base}.attention.output.LayerNorm", f"{out}.norm1")
        inner = self.dense(self.quantised(middle), [f"{base}.intermediate.dense"], f"{out}.inner")
        active = self.add("Gelu", inner, out=f"{out}.gelu")
        outer = self.dense(self.quantised(active), [f"{base}.output.dense"], f"{out}.outer")
        second_sum = self.add("Add", outer, middle, out=f"{out}.sum2")
        return self.norm(second_sum, f"{base}.output.LayerNorm", f"{out}.norm2")


def build(weights: Mapping[str, NDArray[Any]], shape: Shape | None = None) -> bytes:
    """The serialised model: `ids` and `mask` (int64 [texts, words]) → `vectors` (float32 [texts, n])."""
    made = _Builder(weights, shape or Shape())
    width = int(weights["embeddings.word_embeddings.weight"].shape[1])
    layers = sum(name.endswith(".intermediate.dense.weight") for name in weights)
    positions = made.weight("embeddings.position_embeddings.weight")
    # One text each: the type of all words is 0, so its row is part of each position's.
    positions = positions + made.weight("embeddings.token_type_embeddings.weight")[:1]

    words = made.table("ids", "embeddings.word_embeddings.weight", "words")
    sizes = made.add("Shape", "ids", out="sizes", start=1, end=2)
    places = made.add(
        "Slice",
        made.constant("positions", positions, np.float32),
        made.constant("zero", [0], np.int64),
        sizes,
        made.constant("zero", [0], np.int64),
        out="places",
    )
    x = made.add("Add", words, places, out="summed")
    x = made.norm(x, "embeddings.LayerNorm", "embedded")

    there = made.add("Cast", "mask", out="there", to=TensorProto.FLOAT)
    axes = made.constant("axes", [1, 2], np.int64)
    wide = made.add("Unsqueeze", there, axes, out="there.wide")
    missing = made.add("Sub", made.constant("one", 1, np.float32), wide, out="missing")
    made.add("Mul", missing, made.constant("never", -1e9, np.float32), out="hidden")
    for number in range(layers):
        x = made.layer(x, number, width)

    column = made.add("Unsqueeze", there, made.constant("last", [-1], np.int64), out="there.column")
    kept = made.add("Mul", x, column, out="kept")
    along = made.constant("along", [1], np.int64)
    total = made.add("ReduceSum", kept, along, out="total", keepdims=0)
    number_of = made.add("ReduceSum", column, along, out="number", keepdims=0)
    mean = made.add("Div", total, number_of, out="mean")
    length = made.add(
        "ReduceL2", mean, made.constant("last", [-1], np.int64), out="length", keepdims=1
    )
    made.add("Div", mean, length, out="vectors")

    graph = helper.make_graph(
        made.nodes,
        "sentence-encoder",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, ["texts", "words"])
            for n in ("ids", "mask")
        ],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", width])],
        list(made.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
