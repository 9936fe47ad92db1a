"""The text of the courier, see :mod:`weft.wasm.component.http_courier`.

Requests, and all that belongs to them, are resources of wasmtime's own ``wasi:http``, which only a component can ask
anything. The types here are as much of them as the courier needs.
"""

from __future__ import annotations

from weft.wasm.component.aide import WASI

_TYPES = f"""
  (import "wasi:http/types@{WASI}" (instance $types
    (type $dns0 (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $dns (eq $dns0)))
    (type $alert0 (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $alert (eq $alert0)))
    (type $field0 (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $field (eq $field0)))
    (type $code0 (variant
      (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found") (case "destination-unavailable")
      (case "destination-IP-prohibited") (case "destination-IP-unroutable") (case "connection-refused")
      (case "connection-terminated") (case "connection-timeout") (case "connection-read-timeout")
      (case "connection-write-timeout") (case "connection-limit-reached") (case "TLS-protocol-error")
      (case "TLS-certificate-error") (case "TLS-alert-received" $alert) (case "HTTP-request-denied")
      (case "HTTP-request-length-required") (case "HTTP-request-body-size" (option u64))
      (case "HTTP-request-method-invalid") (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" (option u32)) (case "HTTP-request-header-size" (option $field))
      (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $field)
      (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
      (case "HTTP-response-header-size" $field) (case "HTTP-response-body-size" (option u64))
      (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $field)
      (case "HTTP-response-transfer-coding" (option string)) (case "HTTP-response-content-coding" (option string))
      (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
      (case "configuration-error") (case "internal-error" (option string))))
    (export "error-code" (type $code (eq $code0)))
    (type $method0 (variant (case "get") (case "head") (case "post") (case "put") (case "delete") (case "connect")
      (case "options") (case "trace") (case "patch") (case "other" string)))
    (export "method" (type $method (eq $method0)))
    (type $scheme0 (variant (case "HTTP") (case "HTTPS") (case "other" string)))
    (export "scheme" (type $scheme (eq $scheme0)))
    (export "outgoing-request" (type $request (sub resource)))
    (export "request-options" (type $options (sub resource)))
    (export "future-incoming-response" (type $future (sub resource)))
    (export "[method]outgoing-request.method" (func (param "self" (borrow $request)) (result $method)))
    (export "[method]outgoing-request.scheme" (func (param "self" (borrow $request)) (result (option $scheme))))
    (export "[method]outgoing-request.authority" (func (param "self" (borrow $request)) (result (option string))))
    (export "[method]outgoing-request.path-with-query" (func (param "self" (borrow $request))
      (result (option string))))
    (export "[method]outgoing-request.set-scheme" (func (param "self" (borrow $request))
      (param "scheme" (option $scheme)) (result (result))))
    (export "[method]outgoing-request.set-authority" (func (param "self" (borrow $request))
      (param "authority" (option string)) (result (result))))
    (export "[method]outgoing-request.set-path-with-query" (func (param "self" (borrow $request))
      (param "path-with-query" (option string)) (result (result))))
    (export "[constructor]request-options" (func (result (own $options))))
    {
    "".join(
        f'''
    (export "[method]request-options.{name}-timeout" (func (param "self" (borrow $options)) (result (option u64))))
    (export "[method]request-options.set-{name}-timeout" (func (param "self" (borrow $options))
      (param "duration" (option u64)) (result (result))))'''
        for name in ("connect", "first-byte", "between-bytes")
    )
}))
  (alias export $types "outgoing-request" (type $request))
  (alias export $types "request-options" (type $options))
  (alias export $types "future-incoming-response" (type $future))
  (alias export $types "error-code" (type $code))
  (alias export $types "method" (type $method))
  (alias export $types "scheme" (type $scheme))
  (import "wasi:http/outgoing-handler@{WASI}" (instance $handler
    (alias outer 1 $request (type $request0)) (export "outgoing-request" (type $request (eq $request0)))
    (alias outer 1 $options (type $options0)) (export "request-options" (type $options (eq $options0)))
    (alias outer 1 $future (type $future0)) (export "future-incoming-response" (type $future (eq $future0)))
    (alias outer 1 $code (type $code0)) (export "error-code" (type $code (eq $code0)))
    (export "handle" (func (param "request" (own $request)) (param "options" (option (own $options)))
      (result (result (own $future) (error $code)))))))"""

_LOWERED = {
    "method": ("types", "[method]outgoing-request.method", "(param i32 i32)"),
    "scheme": ("types", "[method]outgoing-request.scheme", "(param i32 i32)"),
    "authority": ("types", "[method]outgoing-request.authority", "(param i32 i32)"),
    "path": ("types", "[method]outgoing-request.path-with-query", "(param i32 i32)"),
    "set-scheme": ("types", "[method]outgoing-request.set-scheme", "(param i32 i32 i32 i32 i32) (result i32)"),
    "set-authority": ("types", "[method]outgoing-request.set-authority", "(param i32 i32 i32 i32) (result i32)"),
    "set-path": ("types", "[method]outgoing-request.set-path-with-query", "(param i32 i32 i32 i32) (result i32)"),
    "options": ("types", "[constructor]request-options", "(result i32)"),
    "connect": ("types", "[method]request-options.connect-timeout", "(param i32 i32)"),
    "first": ("types", "[method]request-options.first-byte-timeout", "(param i32 i32)"),
    "between": ("types", "[method]request-options.between-bytes-timeout", "(param i32 i32)"),
    "set-connect": ("types", "[method]request-options.set-connect-timeout", "(param i32 i32 i64) (result i32)"),
    "set-first": ("types", "[method]request-options.set-first-byte-timeout", "(param i32 i32 i64) (result i32)"),
    "set-between": ("types", "[method]request-options.set-between-bytes-timeout", "(param i32 i32 i64) (result i32)"),
    "handle": ("handler", "handle", "(param i32 i32 i32 i32)"),
}
_CANON = '(memory (core memory $m "memory")) (realloc (core func $m "realloc"))'
_LOWER = "".join(
    f'\n  (core func ${name} (canon lower (func ${interface} "{function}") {_CANON}))'
    for name, (interface, function, _) in _LOWERED.items()
)
_IMPORT = "".join(f'\n    (import "h" "{name}" (func ${name} {ty}))' for name, (_, _, ty) in _LOWERED.items())
_GIVE = " ".join(f'(export "{name}" (func ${name}))' for name in _LOWERED)

# Results lie at 0 to 1024, texts from there on; each call lets go of those of the last one.
TEXT = f"""
(component{_TYPES}
  (core module $memory
    (memory (export "memory") 1)
    (global $free (export "free") (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (i32.shl (memory.size) (i32.const 16))) (then
        (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
          (then (unreachable)))))
      (memory.copy (local.get $at) (local.get $old) (local.get $had))
      (local.get $at)))
  (core instance $m (instantiate $memory)){_LOWER}
  (core func $drop-request (canon resource.drop $request))
  (core func $drop-options (canon resource.drop $options))
  (core module $main
    (import "m" "memory" (memory 1))
    (import "m" "free" (global $free (mut i32))){_IMPORT}
    (import "h" "drop-request" (func $drop-request (param i32)))
    (import "h" "drop-options" (func $drop-options (param i32)))
    (func (export "look") (param $request i32) (result i32)
      (call $scheme (local.get $request) (i32.const 0))
      (call $authority (local.get $request) (i32.const 16))
      (call $path (local.get $request) (i32.const 28))
      (call $method (local.get $request) (i32.const 40))
      (call $drop-request (local.get $request))
      (global.set $free (i32.const 1024))
      (i32.const 0))
    (func (export "patience") (param $options i32) (result i32)
      (call $connect (local.get $options) (i32.const 0))
      (call $drop-options (local.get $options))
      (i32.const 0))
    (func (export "turn") (param $request i32) (param $authority i32) (param $size i32) (param $path i32)
        (param $length i32) (result i32)
      (i32.or (i32.or
          (call $set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))
          (call $set-authority (local.get $request) (i32.const 1) (local.get $authority) (local.get $size)))
        (call $set-path (local.get $request) (i32.const 1) (local.get $path) (local.get $length)))
      (call $drop-request (local.get $request))
      (global.set $free (i32.const 1024))
      i32.eqz)
    (func $least (param $most i64) (result i64)
      (if (i32.and (i32.load8_u (i32.const 0)) (i64.lt_u (i64.load (i32.const 8)) (local.get $most)))
        (then (return (i64.load (i32.const 8)))))
      (local.get $most))
    (func (export "send") (param $request i32) (param $some i32) (param $options i32) (param $most i64) (result i32)
      (if (i32.eqz (local.get $some)) (then (local.set $options (call $options))))
      (call $first (local.get $options) (i32.const 0))
      (drop (call $set-first (local.get $options) (i32.const 1) (call $least (local.get $most))))
      (call $between (local.get $options) (i32.const 0))
      (drop (call $set-between (local.get $options) (i32.const 1) (call $least (local.get $most))))
      (drop (call $set-connect (local.get $options) (i32.const 1) (local.get $most)))
      (call $handle (local.get $request) (i32.const 1) (local.get $options) (i32.const 0))
      (global.set $free (i32.const 1024))
      (i32.const 0)))
  (core instance $i (instantiate $main (with "m" (instance $m)) (with "h" (instance {_GIVE}
    (export "drop-request" (func $drop-request)) (export "drop-options" (func $drop-options))))))
  (func (export "look") (param "request" (borrow $request))
    (result (tuple (option $scheme) (option string) (option string) $method))
    (canon lift (core func $i "look") {_CANON}))
  (func (export "patience") (param "options" (borrow $options)) (result (option u64))
    (canon lift (core func $i "patience") {_CANON}))
  (func (export "turn") (param "request" (borrow $request)) (param "authority" string) (param "path" string)
    (result bool) (canon lift (core func $i "turn") {_CANON}))
  (func (export "send") (param "request" (own $request)) (param "options" (option (own $options))) (param "most" u64)
    (result (result (own $future) (error $code))) (canon lift (core func $i "send") {_CANON}))
)"""
