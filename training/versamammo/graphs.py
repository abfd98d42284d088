"""ONNX graphs: made from PyTorch or from nodes, stored with half-precision weights, run on the CPU."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET, IR_VERSION = 18, 10


def from_torch(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic: Any,
    *,
    optimise: bool = True,
) -> onnx.ModelProto:
    """The module's graph with named inputs and outputs. Without `optimise` its parameters stay as they are, nothing folded."""
    with torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            example,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dynamic,
            opset_version=OPSET,
            dynamo=True,
            optimize=optimise,
            verbose=False,
        )
    buffer = io.BytesIO()
    program.save(buffer)
    model = onnx.load_model_from_string(buffer.getvalue())
    model.ir_version = IR_VERSION
    model.producer_version = ""
    for node in model.graph.node:  # stack traces name the machine that exported
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        del value.metadata_props[:]
    for weight in model.graph.initializer:
        del weight.metadata_props[:]
    return cast_by_type(model)


def cast_by_type(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every CastLike as the Cast that it is. The runtime folds a Cast of a constant, and then a Conv with its bias, its
    BatchNormalization and its Clip; a CastLike it takes apart too late: the encoder is three times as slow with them."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {v.name: v.type.tensor_type.elem_type for v in [*inferred.value_info, *inferred.input, *inferred.output]}
    types |= {weight.name: weight.data_type for weight in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "CastLike":
            to = types[node.input.pop()]
            node.op_type = "Cast"
            node.attribute.append(helper.make_attribute("to", to))
    return model


#: From how many numbers on a weight is stored as float16; and a kernel of an encoder as int8.
HALF, BYTE = 256, 10_000


def compact(model: onnx.ModelProto, byte: int | None = None) -> onnx.ModelProto:
    """Stores float32 weights of at least `HALF` numbers as float16, and kernels of convolutions of at least `byte` as int8 with
    a scale for each output channel; cast back in the graph, which the runtime folds at load.

    Lossless for weights that were rounded so before (`round_weights`). Not for other matrices: a projection's row has large
    weights for features that hardly vary, beside which a byte would lose those that count.
    """
    kept, before = [], []
    for weight in model.graph.initializer:
        full, name = numpy_helper.to_array(weight), weight.name
        if weight.data_type != TensorProto.FLOAT or full.size < HALF:
            kept.append(weight)
        elif byte is not None and full.ndim == 4 and full.size >= byte:
            kept += byte_weights(name, full)
            before += scaled(name)
        else:
            kept.append(numpy_helper.from_array(full.astype(np.float16), f"{name}_half"))
            before.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    result = onnx.ModelProto()
    result.CopyFrom(model)
    names = {node.output[0] for node in before}
    nodes = [*before, *model.graph.node]
    infos = [v for v in model.graph.value_info if v.name not in names]
    for field, values in (("initializer", kept), ("node", nodes), ("value_info", infos)):
        del getattr(result.graph, field)[:]
        getattr(result.graph, field).extend(values)
    return result


def bytes_of(weight: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Int8 codes of the weight's shape, and a float32 scale for each index of `axis`; codes · scale is the weight, rounded."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.abs(weight).max(axis=others, keepdims=True).astype(np.float32) / np.float32(127)
    return np.round(weight / np.maximum(scale, np.float32(1e-30))).astype(np.int8), scale


def byte_weights(name: str, weight: np.ndarray, axis: int = 0) -> list[TensorProto]:
    """A weight's int8 codes and scales, as `scaled` reads them."""
    codes, scale = bytes_of(weight, axis)
    return [numpy_helper.from_array(codes, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")]


def scaled(name: str) -> list[onnx.NodeProto]:
    """Nodes that make `name` of its int8 codes and scales."""
    return [
        helper.make_node("Cast", [f"{name}_int8"], [f"{name}_whole"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_whole", f"{name}_scale"], [name]),
    ]


def quantise(model: onnx.ModelProto, smallest: int = 100_000) -> onnx.ModelProto:
    """Stores large matrices as int8 with one scale for each output (of a table: for each row); computing stays in float32.

    Weights only: unlike dynamic quantisation the result does not depend on the CPU. Tables are looked up before they
    are scaled; the runtime folds the rest at load.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    tables = {node.input[0]: node for node in result.graph.node if node.op_type == "Gather"}
    initial, before = [], []
    for weight in result.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) != 2 or int(np.prod(weight.dims)) < smallest:
            initial.append(weight)
            continue
        name, node = weight.name, tables.get(weight.name)
        initial += byte_weights(name, numpy_helper.to_array(weight), 0 if node else 1)
        if node is None:
            before += scaled(name)
            continue
        looked_up, place = node.output[0], list(result.graph.node).index(node) + 1
        node.input[0], node.output[0] = f"{name}_int8", f"{name}_rows_int8"
        scales = helper.make_node("Gather", [f"{name}_scale", node.input[1]], [f"{name}_rows_scale"], axis=0)
        cast = helper.make_node("Cast", [f"{name}_rows_int8"], [f"{name}_rows"], to=TensorProto.FLOAT)
        multiply = helper.make_node("Mul", [f"{name}_rows", f"{name}_rows_scale"], [looked_up])
        for extra in (multiply, cast, scales):
            result.graph.node.insert(place, extra)
    del result.graph.initializer[:]
    result.graph.initializer.extend(initial)
    nodes = [*before, *result.graph.node]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    del result.graph.value_info[:]
    return result


def round_weights(module: nn.Module, byte: int | None = None) -> nn.Module:
    """Rounds the module's float weights in place to what `compact` stores: the weights measured are the weights shipped."""
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if byte is not None and tensor.ndim == 4 and tensor.numel() >= byte:
                codes, scale = bytes_of(tensor.cpu().numpy())
                tensor.copy_(torch.from_numpy(codes * scale))
            elif tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    return module


def from_nodes(
    name: str,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, np.ndarray],
) -> onnx.ModelProto:
    initial = [numpy_helper.from_array(np.ascontiguousarray(w), k) for k, w in weights.items()]
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), initial)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="versamammo"
    )


def value(name: str, *shape: int | str, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, list(shape))


def unit_nodes(source: str, target: str) -> list[onnx.NodeProto]:
    """target = source / max(‖source‖, tiny) along the last axis; the graph needs the scalar weight `tiny`."""
    return [
        helper.make_node("ReduceL2", [source], [f"{target}_norm"], axes=[-1], keepdims=1),
        helper.make_node("Clip", [f"{target}_norm", "tiny"], [f"{target}_safe"]),
        helper.make_node("Div", [source, f"{target}_safe"], [target]),
    ]


def run(graph: bytes | onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs by name."""
    ready = graph if isinstance(graph, onnxruntime.InferenceSession) else session(graph)
    return dict(zip([o.name for o in ready.get_outputs()], ready.run(None, dict(feeds)), strict=True))


def session(graph: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """A CPU session; `threads` 0: those that PyTorch uses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
