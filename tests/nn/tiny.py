"""Tiny models, made on the spot: an ONNX or TFLite graph that gives back what it gets, in any dtype."""

from __future__ import annotations

import flatbuffers
from ai_edge_litert import schema_py_generated as tfl
from onnx import TensorProto, helper

Dims = list[int | str] | None
ONNX_TYPES = {
    "bool": TensorProto.BOOL,
    "u8": TensorProto.UINT8,
    "u16": TensorProto.UINT16,
    "u32": TensorProto.UINT32,
    "u64": TensorProto.UINT64,
    "i8": TensorProto.INT8,
    "i16": TensorProto.INT16,
    "i32": TensorProto.INT32,
    "i64": TensorProto.INT64,
    "f16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "f32": TensorProto.FLOAT,
    "f64": TensorProto.DOUBLE,
    "bytes": TensorProto.STRING,
    "f8": TensorProto.FLOAT8E4M3FN,
}
TFLITE_TYPES = {
    "bool": tfl.TensorType.BOOL,
    "u8": tfl.TensorType.UINT8,
    "u16": tfl.TensorType.UINT16,
    "u32": tfl.TensorType.UINT32,
    "u64": tfl.TensorType.UINT64,
    "i8": tfl.TensorType.INT8,
    "i16": tfl.TensorType.INT16,
    "i32": tfl.TensorType.INT32,
    "i64": tfl.TensorType.INT64,
    "f16": tfl.TensorType.FLOAT16,
    "bf16": tfl.TensorType.BFLOAT16,
    "f32": tfl.TensorType.FLOAT32,
    "f64": tfl.TensorType.FLOAT64,
    "bytes": tfl.TensorType.STRING,
    "complex64": tfl.TensorType.COMPLEX64,
}


def onnx_identity(dtype: str, dims: Dims, *, op: str = "Identity", external: str = "") -> bytes:
    """x → op → y, both ``dtype[dims]``; with ``external`` there is also a tensor kept in that file."""
    kind = ONNX_TYPES[dtype]
    info = [helper.make_tensor_value_info(name, kind, dims) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "tiny", info[:1], info[1:])
    if external:
        kept = graph.initializer.add(name="w", data_type=TensorProto.UINT8, dims=[4])
        kept.data_location = TensorProto.EXTERNAL
        kept.external_data.add(key="location", value=external)
        graph.node.append(helper.make_node("Identity", ["w"], ["weights"]))
        graph.output.append(helper.make_tensor_value_info("weights", TensorProto.UINT8, [4]))
    return _onnx(graph)


def onnx_branch(external: str) -> bytes:
    """An If whose branches return a tensor; that of the first is kept in a file."""
    kept = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[4], data_location=TensorProto.EXTERNAL)
    kept.external_data.add(key="location", value=external)
    here = helper.make_tensor("w", TensorProto.UINT8, [4], b"1234", raw=True)
    out = helper.make_tensor_value_info("out", TensorProto.UINT8, [4])
    branches = [
        helper.make_graph([helper.make_node("Constant", [], ["out"], value=value)], "branch", [], [out])
        for value in (kept, here)
    ]
    node = helper.make_node("If", ["x"], ["y"], then_branch=branches[0], else_branch=branches[1])
    ports = [helper.make_tensor_value_info("x", TensorProto.BOOL, [])]
    return _onnx(
        helper.make_graph([node], "choice", ports, [helper.make_tensor_value_info("y", TensorProto.UINT8, [4])])
    )


def onnx_sum() -> bytes:
    """Two inputs a, b [n], three outputs: sum, difference, and ``a`` squared."""
    names = ["a", "b", "sum", "diff", "sq"]
    ports = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in names}
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["diff"]),
        helper.make_node("Mul", ["a", "a"], ["sq"]),
    ]
    infos = list(ports.values())
    return _onnx(helper.make_graph(nodes, "sum", infos[:2], infos[2:]))


def onnx_sequence() -> bytes:
    """x f32[2] → y f32[2], and a second output that is a sequence, not a tensor."""
    info = helper.make_tensor_value_info
    sequence = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("SequenceConstruct", ["x"], ["parts"])]
    ports = [info("x", TensorProto.FLOAT, [2]), info("y", TensorProto.FLOAT, [2])]
    return _onnx(helper.make_graph(nodes, "sequence", ports[:1], [ports[1], sequence]))


def _onnx(graph: object) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    return bytes(model.SerializeToString())


def tflite_identity(dtype: str, dims: list[int], *, external: bool = False) -> bytes:
    """x → RESHAPE to its own shape → y; a dimension of -1 is dynamic."""
    tensors = [_tensor("x", dtype, dims), _tensor("y", dtype, dims)]
    options = tfl.ReshapeOptionsT()
    options.newShape = dims
    operator = tfl.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    operator.builtinOptionsType, operator.builtinOptions = tfl.BuiltinOptions.ReshapeOptions, options
    graph = tfl.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [operator], [0], [1]
    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.RESHAPE
    model = tfl.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [tfl.BufferT()]
    if external:
        group = tfl.ExternalBufferGroupT()
        group.name = "weights.bin"
        model.externalBufferGroups = [group]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str, dtype: str, dims: list[int]) -> object:
    tensor = tfl.TensorT()
    tensor.name, tensor.type, tensor.buffer = name, TFLITE_TYPES[dtype], 0
    tensor.shape = [1 if dim < 0 else dim for dim in dims]
    tensor.shapeSignature = dims
    tensor.hasRank = True
    return tensor


def tensorflow_graph(dims: list[int] | None = None) -> bytes:
    """A frozen TensorFlow graph: ``input`` f32 (no rank where ``dims`` is None) + 3 → ``output``."""
    float32 = _number(6, 1)
    shape = _number(3, 1) if dims is None else b"".join(_field(2, _number(1, dim)) for dim in dims)
    three = _number(1, 1) + _field(2, b"") + _field(5, b"\0\0\x40\x40")
    return b"".join(
        (
            _node("input", "Placeholder", [], dtype=float32, shape=_field(7, shape)),
            _node("three", "Const", [], dtype=float32, value=_field(8, three)),
            _node("output", "AddV2", ["input", "three"], T=float32),
        )
    )


def saved_model(dims: list[int]) -> bytes:
    """The ``saved_model.pb`` of that graph, with the signature ``x`` → ``y``."""
    tags = _field(1, _field(4, b"serve"))
    inputs = _field(1, _entry("x", _field(1, b"input:0") + _number(2, 1)))
    outputs = _field(2, _entry("y", _field(1, b"output:0") + _number(2, 1)))
    signature = inputs + outputs + _field(3, b"tensorflow/serving/predict")
    return _number(1, 1) + _field(
        2, tags + _field(2, tensorflow_graph(dims)) + _field(5, _entry("serving_default", signature))
    )


def _node(name: str, operation: str, inputs: list[str], **attributes: bytes) -> bytes:
    """A NodeDef as a field of a GraphDef."""
    body = _field(1, name.encode()) + _field(2, operation.encode())
    body += b"".join(_field(3, source.encode()) for source in inputs)
    return _field(1, body + b"".join(_field(5, _entry(key, value)) for key, value in attributes.items()))


def _entry(key: str, value: bytes) -> bytes:
    return _field(1, key.encode()) + _field(2, value)


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])
