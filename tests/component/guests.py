"""Components in text: the world ``weft:function`` lowered to a core module whose functions a test writes.

``component("(call $emit_text …)")`` is a component whose ``handle`` runs that code. What it imports is only what its
code calls. Texts of the guest lie at 1024 (``data``), results of calls at 512 (``$ret``), and what the host passes
is allocated from 64 KiB on. ``#7`` is short for ``(i32.const 7)``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NN = "0.2.0-rc-2024-10-28"
DATA = 1024
RET = 512

_ERROR = """
  (import "weft:function/types@0.1.0" (instance $types
    (type $c0 (enum "invalid-argument" "not-found" "too-large" "denied" "unsupported" "runtime-error"))
    (export "error-code" (type $c (eq $c0)))
    (type $e0 (record (field "code" $c) (field "message" string)))
    (export "error" (type $e (eq $e0)))
    (type $p0 (enum "rgb8" "bgr8" "gray8" "rgb32f")) (export "pixel-format" (type (eq $p0)))
    (type $l0 (enum "nhwc" "nchw")) (export "layout" (type (eq $l0)))))
  (alias export $types "error" (type $error))
  (alias export $types "layout" (type $layout))"""
_TENSOR = f"""
  (import "wasi:nn/tensor@{NN}" (instance $tensor
    (export "tensor" (type $t (sub resource)))
    (type $ty0 (enum "FP16" "FP32" "FP64" "BF16" "U8" "I32" "I64")) (export "tensor-type" (type $ty (eq $ty0)))
    (export "[constructor]tensor" (func (param "dimensions" (list u32)) (param "ty" $ty) (param "data" (list u8))
      (result (own $t))))
    (export "[method]tensor.data" (func (param "self" (borrow $t)) (result (list u8))))
    (export "[method]tensor.ty" (func (param "self" (borrow $t)) (result $ty)))))
  (alias export $tensor "tensor" (type $ten))
  (alias export $tensor "tensor-type" (type $tensor-type))"""
_NN_ERROR = f"""
  (import "wasi:nn/errors@{NN}" (instance $errors
    (export "error" (type $e (sub resource)))
    (type $c0 (enum "invalid-argument" "invalid-encoding" "timeout" "runtime-error" "unsupported-operation" "too-large"
      "not-found" "security" "unknown"))
    (export "error-code" (type $c (eq $c0)))
    (export "[method]error.code" (func (param "self" (borrow $e)) (result $c)))
    (export "[method]error.data" (func (param "self" (borrow $e)) (result string)))))
  (alias export $errors "error" (type $nn-error))"""
_INFERENCE = f"""
  (import "wasi:nn/inference@{NN}" (instance $inference
    (alias outer 1 $nn-error (type $e0)) (export "error" (type $e (eq $e0)))
    (alias outer 1 $ten (type $t0)) (export "tensor" (type $t (eq $t0)))
    (type $named (list (tuple string (own $t))))
    (export "graph-execution-context" (type $x (sub resource)))
    (export "[method]graph-execution-context.compute" (func (param "self" (borrow $x)) (param "inputs" $named)
      (result (result $named (error (own $e))))))
    (export "[method]graph-execution-context.set-input" (func (param "self" (borrow $x)) (param "name" string)
      (param "tensor" (own $t)) (result (result (error (own $e))))))
    (export "[method]graph-execution-context.get-output" (func (param "self" (borrow $x)) (param "name" string)
      (result (result (own $t) (error (own $e))))))))
  (alias export $inference "graph-execution-context" (type $context))"""
_GRAPH = f"""
  (import "wasi:nn/graph@{NN}" (instance $graph
    (alias outer 1 $nn-error (type $e0)) (export "error" (type $e (eq $e0)))
    (alias outer 1 $context (type $x0)) (export "graph-execution-context" (type $x (eq $x0)))
    (export "graph" (type $g (sub resource)))
    (type $enc0 (enum "openvino" "onnx" "tensorflow" "pytorch" "tensorflowlite" "ggml" "autodetect"))
    (export "graph-encoding" (type $enc (eq $enc0)))
    (type $tar0 (enum "cpu" "gpu" "tpu")) (export "execution-target" (type $tar (eq $tar0)))
    (export "load" (func (param "builder" (list (list u8))) (param "encoding" $enc) (param "target" $tar)
      (result (result (own $g) (error (own $e))))))
    (export "load-by-name" (func (param "name" string) (result (result (own $g) (error (own $e))))))
    (export "[method]graph.init-execution-context" (func (param "self" (borrow $g))
      (result (result (own $x) (error (own $e))))))))
  (alias export $graph "graph" (type $gra))"""
_FRAME = """
  (import "weft:function/frame@0.1.0" (instance $frame
    (export "size" (func (result u64)))
    (export "text" (func (result string)))
    (export "read" (func (param "offset" u64) (param "length" u64) (result (list u8))))
    (export "read-latin1" (func (param "offset" u64) (param "length" u64) (result string)))
    (export "stream-name" (func (result string)))
    (export "header" (func (param "name" string) (result (option string))))
    (export "sequence" (func (result u64)))))"""
_OUTPUT = """
  (import "weft:function/output@0.1.0" (instance $output
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (type $r (result (error $e)))
    (export "emit" (func (param "stream" string) (param "media-type" string) (param "payload" (list u8)) (result $r)))
    (export "emit-text" (func (param "stream" string) (param "media-type" string) (param "payload" string) (result $r)))
    (export "emit-latin1" (func (param "stream" string) (param "media-type" string) (param "payload" string)
      (result $r)))
    (export "emit-frame" (func (param "stream" string) (param "media-type" string) (result $r)))))"""
_IMAGE = """
  (import "weft:function/image@0.1.0" (instance $image
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (alias outer 1 $layout (type $l0)) (export "layout" (type $l (eq $l0)))
    (alias outer 1 $ten (type $t0)) (export "tensor" (type $t (eq $t0)))
    (alias outer 1 $tensor-type (type $ty0)) (export "tensor-type" (type $ty (eq $ty0)))
    (type $three (option (tuple f32 f32 f32)))
    (export "size" (func (result (result (tuple u32 u32) (error $e)))))
    (export "to-tensor" (func (param "width" u32) (param "height" u32) (param "layout" $l) (param "ty" $ty)
      (param "mean" $three) (param "std" $three) (result (result (own $t) (error $e)))))))"""
_TENSORS = """
  (import "weft:function/tensors@0.1.0" (instance $tensors
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (alias outer 1 $ten (type $t0)) (export "tensor" (type $t (eq $t0)))
    (export "share" (func (param "tensor" (borrow $t)) (result (result (own $t) (error $e)))))
    (export "data" (func (param "tensor" (borrow $t)) (result string)))))"""
_CONFIG = """
  (import "weft:function/config@0.1.0" (instance $config
    (export "get" (func (param "key" string) (result (option string))))))"""
_STATE = """
  (import "weft:function/state@0.1.0" (instance $state
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (export "get" (func (param "key" string) (result (result (option (list u8)) (error $e)))))
    (export "put" (func (param "key" string) (param "value" (list u8)) (result (result (error $e)))))
    (export "delete" (func (param "key" string) (result (result (error $e)))))))"""
_LOGGING = """
  (import "wasi:logging/logging@0.1.0-draft" (instance $logging
    (type $l0 (enum "trace" "debug" "info" "warn" "error" "critical")) (export "level" (type $l (eq $l0)))
    (export "log" (func (param "level" $l) (param "context" string) (param "message" string)))))"""
_POLL = """
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))"""
_CLOCK = """
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p0)) (export "pollable" (type $p (eq $p0)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))"""

_DECLARED = {
    "types": _ERROR, "tensor": _TENSOR, "errors": _NN_ERROR, "inference": _INFERENCE, "graph": _GRAPH, "frame": _FRAME,
    "output": _OUTPUT, "image": _IMAGE, "tensors": _TENSORS, "config": _CONFIG, "state": _STATE, "logging": _LOGGING,
    "poll": _POLL, "clock": _CLOCK,
}  # fmt: skip
_NEEDS = {
    "output": ["types"], "state": ["types"], "image": ["types", "tensor"], "tensors": ["types", "tensor"],
    "inference": ["tensor", "errors"], "graph": ["tensor", "errors", "inference"], "clock": ["poll"],
}  # fmt: skip

# Core name: interface, function, core parameters and result.
FUNCTIONS = {
    "size": ("frame", "size", "(result i64)"),
    "text": ("frame", "text", "(param i32)"),
    "read": ("frame", "read", "(param i64 i64 i32)"),
    "read_latin1": ("frame", "read-latin1", "(param i64 i64 i32)"),
    "stream_name": ("frame", "stream-name", "(param i32)"),
    "header": ("frame", "header", "(param i32 i32 i32)"),
    "sequence": ("frame", "sequence", "(result i64)"),
    "emit": ("output", "emit", "(param i32 i32 i32 i32 i32 i32 i32)"),
    "emit_text": ("output", "emit-text", "(param i32 i32 i32 i32 i32 i32 i32)"),
    "emit_latin1": ("output", "emit-latin1", "(param i32 i32 i32 i32 i32 i32 i32)"),
    "emit_frame": ("output", "emit-frame", "(param i32 i32 i32 i32 i32)"),
    "config": ("config", "get", "(param i32 i32 i32)"),
    "state_get": ("state", "get", "(param i32 i32 i32)"),
    "state_put": ("state", "put", "(param i32 i32 i32 i32 i32)"),
    "log": ("logging", "log", "(param i32 i32 i32 i32 i32)"),
    "image_size": ("image", "size", "(param i32)"),
    "to_tensor": ("image", "to-tensor", "(param i32 i32 i32 i32 i32 f32 f32 f32 i32 f32 f32 f32 i32)"),
    "new_tensor": ("tensor", "[constructor]tensor", "(param i32 i32 i32 i32 i32) (result i32)"),
    "tensor_data": ("tensor", "[method]tensor.data", "(param i32 i32)"),
    "share": ("tensors", "share", "(param i32 i32)"),
    "tensor_text": ("tensors", "data", "(param i32 i32)"),
    "load": ("graph", "load", "(param i32 i32 i32 i32 i32)"),
    "load_by_name": ("graph", "load-by-name", "(param i32 i32 i32)"),
    "new_context": ("graph", "[method]graph.init-execution-context", "(param i32 i32)"),
    "compute": ("inference", "[method]graph-execution-context.compute", "(param i32 i32 i32 i32)"),
    "set_input": ("inference", "[method]graph-execution-context.set-input", "(param i32 i32 i32 i32 i32)"),
    "get_output": ("inference", "[method]graph-execution-context.get-output", "(param i32 i32 i32 i32)"),
    "error_code": ("errors", "[method]error.code", "(param i32) (result i32)"),
    "error_data": ("errors", "[method]error.data", "(param i32 i32)"),
    "sleep_for": ("clock", "subscribe-duration", "(param i64) (result i32)"),
    "block": ("poll", "[method]pollable.block", "(param i32)"),
    "poll": ("poll", "poll", "(param i32 i32 i32)"),
}
DROPS = {"drop_tensor": ("tensor", "$ten"), "drop_graph": ("graph", "$gra"), "drop_context": ("inference", "$context")}

_MEMORY = """
  (core module $memory
    (memory (export "memory") {pages})
    (global $free (mut i32) #65536)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) #15) #-16))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $free) (i32.shl (memory.size) #16)))
        (br_if $fits (i32.ne #-1
          (memory.grow (i32.add #1 (i32.shr_u (local.get 3) #16)))))
        (unreachable))
      (local.get $at))
    (func (export "reset") (global.set $free #65536)))
  (core instance $m (instantiate $memory))"""
_CANON = '(memory (core memory $m "memory")) (realloc (core func $m "realloc"))'
_HELPERS = """
    (global $count (mut i32) #0)
    (func $ok (result i32) (i32.store8 #256 #0) #256)
    (func $fail (param $at i32) (param $len i32) (result i32)
      (i32.store8 #256 #1)
      (i32.store #260 (local.get $at)) (i32.store #264 (local.get $len)) #256)
    (func $ret (param $offset i32) (result i32) (i32.load (i32.add #512 (local.get $offset))))"""


def component(
    handle: str = "",
    *,
    init: str | None = None,
    data: Sequence[str] = (),
    more: str = "",
    start: str = "",
    pages: int = 2,
) -> str:
    """A component's text.

    ``handle`` and ``init`` are core code, after which they return ok; ``data`` are texts 64 bytes apart from 1024 on;
    ``more`` is core code beside them; ``start`` is run when it is instantiated.
    """
    code = f"{handle} {init or ''} {more} {start}"
    called = {name for name in re.findall(r"\(call \$(\w+)", code) if name in FUNCTIONS or name in DROPS}
    wanted = {FUNCTIONS[name][0] if name in FUNCTIONS else DROPS[name][0] for name in called}
    wanted |= {need for name in tuple(wanted) for need in _NEEDS.get(name, ())}
    lowered = "".join(_lowered(name) for name in FUNCTIONS if name in called)
    lowered += "".join(
        f"\n  (core func ${name} (canon resource.drop {DROPS[name][1]}))" for name in sorted(called) if name in DROPS
    )
    imports = "".join(f'\n    (import "h" "{name}" (func ${name} {_core_type(name)}))' for name in sorted(called))
    given = " ".join(f'(export "{name}" (func ${name}))' for name in sorted(called))
    texts = "".join(f'\n    (data #{DATA + 64 * index} "{text}")' for index, text in enumerate(data))
    more += f"(func $start (local $i i32) {start}) (start $start)" if start else ""
    locals_ = "(local $i i32) (local $t i32) (local $n i64)"
    bodies = {"handle": f"(call $reset) {handle}"} | ({"init": init} if init is not None else {})
    functions = "".join(
        f'\n    (func (export "{name}") (result i32) {locals_} {body} (call $ok))' for name, body in bodies.items()
    )
    lifted = "".join(
        f'\n  (func (export "{name}") (result (result (error string))) (canon lift (core func $i "{name}") {_CANON}))'
        for name in bodies
    )
    return numbers(f"""(component{"".join(text for name, text in _DECLARED.items() if name in wanted)}
{_MEMORY.format(pages=pages)}{lowered}
  (core module $main
    (import "m" "memory" (memory 1)) (import "m" "reset" (func $reset)){imports}{_HELPERS}{texts}
    {more}{functions})
  (core instance $i (instantiate $main (with "m" (instance $m)) (with "h" (instance {given})))){lifted})""")


def numbers(text: str) -> str:
    """``#7`` is short for ``(i32.const 7)``."""
    return re.sub(r"#(-?\w+)", r"(i32.const \1)", text)


def _lowered(name: str) -> str:
    interface, function, _ = FUNCTIONS[name]
    return f'\n  (core func ${name} (canon lower (func ${interface} "{function}") {_CANON}))'


def _core_type(name: str) -> str:
    return FUNCTIONS[name][2] if name in FUNCTIONS else "(param i32)"


def text(index: int, length: int) -> str:
    """Pointer and length of a text of ``data``."""
    return f"#{DATA + 64 * index} #{length}"


NOTHING = "#0 #0"
RET_AT = f"#{RET}"
ECHO = f"(call $text {RET_AT}) (call $emit_text {NOTHING} {NOTHING} (call $ret #0) (call $ret #4) #528)"
"""Emit the payload as text."""
