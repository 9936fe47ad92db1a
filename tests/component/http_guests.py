"""A command component in text that makes HTTP requests: it prints what came of each of them."""

from __future__ import annotations

from tests.component.commands import _CANON, _STREAMS
from tests.component.guests import numbers

ERRORS = (
    "DNS-timeout",
    "DNS-error",
    "destination-not-found",
    "destination-unavailable",
    "destination-IP-prohibited",
    "destination-IP-unroutable",
    "connection-refused",
    "connection-terminated",
    "connection-timeout",
    "connection-read-timeout",
    "connection-write-timeout",
    "connection-limit-reached",
    "TLS-protocol-error",
    "TLS-certificate-error",
    "TLS-alert-received",
    "HTTP-request-denied",
    "HTTP-request-length-required",
    "HTTP-request-body-size",
    "HTTP-request-method-invalid",
    "HTTP-request-URI-invalid",
    "HTTP-request-URI-too-long",
    "HTTP-request-header-section-size",
    "HTTP-request-header-size",
    "HTTP-request-trailer-section-size",
    "HTTP-request-trailer-size",
    "HTTP-response-incomplete",
    "HTTP-response-header-section-size",
    "HTTP-response-header-size",
    "HTTP-response-body-size",
    "HTTP-response-trailer-section-size",
    "HTTP-response-trailer-size",
    "HTTP-response-transfer-coding",
    "HTTP-response-content-coding",
    "HTTP-response-timeout",
    "HTTP-upgrade-failed",
    "HTTP-protocol-error",
    "loop-detected",
    "configuration-error",
    "internal-error",
)
"""The error codes of wasi:http, in their order."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
SCHEMES = {"http": 0, "https": 1, "ftp": 2}

_ERROR_TYPE = """
    (type $dns0 (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $dns (eq $dns0)))
    (type $alert0 (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $alert (eq $alert0)))
    (type $field0 (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $field (eq $field0)))
    (type $code0 (variant {cases}))
    (export "error-code" (type $code (eq $code0)))"""
_PAYLOADS = {
    "DNS-error": "$dns",
    "TLS-alert-received": "$alert",
    "HTTP-request-body-size": "(option u64)",
    "HTTP-request-header-section-size": "(option u32)",
    "HTTP-request-header-size": "(option $field)",
    "HTTP-request-trailer-section-size": "(option u32)",
    "HTTP-request-trailer-size": "$field",
    "HTTP-response-header-section-size": "(option u32)",
    "HTTP-response-header-size": "$field",
    "HTTP-response-body-size": "(option u64)",
    "HTTP-response-trailer-section-size": "(option u32)",
    "HTTP-response-trailer-size": "$field",
    "HTTP-response-transfer-coding": "(option string)",
    "HTTP-response-content-coding": "(option string)",
    "internal-error": "(option string)",
}
_CASES = " ".join(f'(case "{name}" {_PAYLOADS.get(name, "")})' for name in ERRORS)

_FUNCTIONS = {
    "fields": ("[constructor]fields", "(result (own $fields))", "(result i32)"),
    "append": (
        "[method]fields.append",
        '(param "self" (borrow $fields)) (param "name" string) (param "value" (list u8)) '
        "(result (result (error $bad)))",
        "(param i32 i32 i32 i32 i32 i32)",
    ),
    "request": (
        "[constructor]outgoing-request",
        '(param "headers" (own $fields)) (result (own $request))',
        "(param i32) (result i32)",
    ),
    "set-method": (
        "[method]outgoing-request.set-method",
        '(param "self" (borrow $request)) (param "method" $method) (result (result))',
        "(param i32 i32 i32 i32) (result i32)",
    ),
    "set-scheme": (
        "[method]outgoing-request.set-scheme",
        '(param "self" (borrow $request)) (param "scheme" (option $scheme)) (result (result))',
        "(param i32 i32 i32 i32 i32) (result i32)",
    ),
    "set-authority": (
        "[method]outgoing-request.set-authority",
        '(param "self" (borrow $request)) (param "authority" (option string)) (result (result))',
        "(param i32 i32 i32 i32) (result i32)",
    ),
    "set-path": (
        "[method]outgoing-request.set-path-with-query",
        '(param "self" (borrow $request)) (param "path-with-query" (option string)) (result (result))',
        "(param i32 i32 i32 i32) (result i32)",
    ),
    "body": (
        "[method]outgoing-request.body",
        '(param "self" (borrow $request)) (result (result (own $outgoing)))',
        "(param i32 i32)",
    ),
    "write-body": (
        "[method]outgoing-body.write",
        '(param "self" (borrow $outgoing)) (result (result (own $out)))',
        "(param i32 i32)",
    ),
    "finish": (
        "[static]outgoing-body.finish",
        '(param "this" (own $outgoing)) (param "trailers" (option (own $fields))) (result (result (error $code)))',
        "(param i32 i32 i32 i32)",
    ),
    "options": ("[constructor]request-options", "(result (own $options))", "(result i32)"),
    "set-connect": (
        "[method]request-options.set-connect-timeout",
        '(param "self" (borrow $options)) (param "duration" (option u64)) (result (result))',
        "(param i32 i32 i64) (result i32)",
    ),
    "set-first": (
        "[method]request-options.set-first-byte-timeout",
        '(param "self" (borrow $options)) (param "duration" (option u64)) (result (result))',
        "(param i32 i32 i64) (result i32)",
    ),
    "subscribe": (
        "[method]future-incoming-response.subscribe",
        '(param "self" (borrow $future)) (result (own $pollable))',
        "(param i32) (result i32)",
    ),
    "get": (
        "[method]future-incoming-response.get",
        '(param "self" (borrow $future)) (result (option (result (result (own $incoming) (error $code)))))',
        "(param i32 i32)",
    ),
    "status": (
        "[method]incoming-response.status",
        '(param "self" (borrow $incoming)) (result u16)',
        "(param i32) (result i32)",
    ),
    "consume": (
        "[method]incoming-response.consume",
        '(param "self" (borrow $incoming)) (result (result (own $incoming-body)))',
        "(param i32 i32)",
    ),
    "stream": (
        "[method]incoming-body.stream",
        '(param "self" (borrow $incoming-body)) (result (result (own $in)))',
        "(param i32 i32)",
    ),
}
_RESOURCES = {
    "fields": "fields",
    "request": "outgoing-request",
    "outgoing": "outgoing-body",
    "options": "request-options",
    "future": "future-incoming-response",
    "incoming": "incoming-response",
    "incoming-body": "incoming-body",
}
_TYPES = f"""
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:http/types@0.2.0" (instance $http
    (alias outer 1 $in (type $in0)) (export "input-stream" (type $in (eq $in0)))
    (alias outer 1 $out (type $out0)) (export "output-stream" (type $out (eq $out0)))
    (alias outer 1 $pollable (type $pollable0)) (export "pollable" (type $pollable (eq $pollable0)))
    {_ERROR_TYPE.format(cases=_CASES)}
    (type $bad0 (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $bad (eq $bad0)))
    (type $method0 (variant {" ".join(f'(case "{name.lower()}")' for name in METHODS)} (case "other" string)))
    (export "method" (type $method (eq $method0)))
    (type $scheme0 (variant (case "HTTP") (case "HTTPS") (case "other" string)))
    (export "scheme" (type $scheme (eq $scheme0)))
    {"".join(f'(export "{resource}" (type ${name} (sub resource)))' for name, resource in _RESOURCES.items())}
    {"".join(f'(export "{imported}" (func {ty}))' for imported, ty, _ in _FUNCTIONS.values())}))
  (alias export $http "outgoing-request" (type $request))
  (alias export $http "request-options" (type $options))
  (alias export $http "future-incoming-response" (type $future))
  (alias export $http "error-code" (type $code))
  (import "wasi:http/outgoing-handler@0.2.0" (instance $handler
    (alias outer 1 $request (type $request0)) (export "outgoing-request" (type $request (eq $request0)))
    (alias outer 1 $options (type $options0)) (export "request-options" (type $options (eq $options0)))
    (alias outer 1 $future (type $future0)) (export "future-incoming-response" (type $future (eq $future0)))
    (alias outer 1 $code (type $code0)) (export "error-code" (type $code (eq $code0)))
    (export "handle" (func (param "request" (own $request)) (param "options" (option (own $options)))
      (result (result (own $future) (error $code)))))))"""
_LOWERED = {
    "stdout": ("stdout", "get-stdout", "(result i32)"),
    "read": ("streams", "[method]input-stream.blocking-read", "(param i32 i64 i32)"),
    "write": ("streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)"),
    "block": ("poll", "[method]pollable.block", "(param i32)"),
    "handle": ("handler", "handle", "(param i32 i32 i32 i32)"),
    **{name: ("http", imported, ty) for name, (imported, _, ty) in _FUNCTIONS.items()},
}

# What the host passes lies from 64 KiB on, and is let go before each piece of a body.
_MEMORY = """
  (core module $memory
    (memory (export "memory") 4)
    (global $free (export "free") (mut i32) #65536)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) #15) #-16))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $m (instantiate $memory))"""

# Results of calls lie at 512. What is printed: "e" and the number of an error, or "s", the status (two bytes) and the
# body, and then "." for its end or "!" where it broke off.
_MAIN = """
    (func $say (param $at i32) (param $size i32)
      (call $write (call $stdout) (local.get $at) (local.get $size) #496))
    (func $error (param $code i32)
      (i32.store8 #480 #101) (i32.store8 #481 (local.get $code)) (call $say #480 #2))
    (func $send (param $method i32) (param $scheme i32) (param $authority i32) (param $authority-size i32)
        (param $path i32) (param $path-size i32) (param $body i32) (param $body-size i32) (param $times i32)
        (param $connect i64) (param $first i64) (result i32)
      (local $request i32) (local $headers i32) (local $out i32) (local $writer i32) (local $options i32)
      (local.set $headers (call $fields))
      (call $append (local.get $headers) #1024 #6 #1030 #4 #512)
      (local.set $request (call $request (local.get $headers)))
      (drop (call $set-method (local.get $request) (local.get $method) #0 #0))
      (drop (call $set-scheme (local.get $request) #1 (local.get $scheme) #1034 #3))
      (drop (call $set-authority (local.get $request) #1 (local.get $authority) (local.get $authority-size)))
      (drop (call $set-path (local.get $request) #1 (local.get $path) (local.get $path-size)))
      (call $body (local.get $request) #512)
      (local.set $out (i32.load #516))
      (if (local.get $times) (then
        (local.set $options (call $options))
        (drop (call $set-connect (local.get $options) #1 (local.get $connect)))
        (drop (call $set-first (local.get $options) #1 (local.get $first)))))
      (call $handle (local.get $request) (local.get $times) (local.get $options) #528)
      (if (i32.load8_u #528) (then (call $error (i32.load8_u #536)) (return #0)))
      (call $write-body (local.get $out) #512)
      (local.set $writer (i32.load #516))
      (if (local.get $body-size) (then
        (call $write (local.get $writer) (local.get $body) (local.get $body-size) #496)))
      (call $drop-out (local.get $writer))
      (call $finish (local.get $out) #0 #0 #560)
      (i32.load #536))
    (func $answer (param $future i32)
      (local $response i32) (local $body i32) (local $in i32)
      (if (i32.eqz (local.get $future)) (then (return)))
      (call $block (call $subscribe (local.get $future)))
      (call $get (local.get $future) #512)
      (if (i32.load8_u #528) (then (call $error (i32.load8_u #536)) (return)))
      (local.set $response (i32.load #536))
      (i32.store8 #480 #115)
      (i32.store16 #481 (call $status (local.get $response)))
      (call $say #480 #3)
      (call $consume (local.get $response) #512)
      (local.set $body (i32.load #516))
      (call $stream (local.get $body) #512)
      (local.set $in (i32.load #516))
      (block $end (loop $more
        (global.set $free #65536)
        (call $read (local.get $in) (i64.const 4096) #512)
        (if (i32.load8_u #512) (then
          (i32.store8 #480 (select #46 #33 (i32.load8_u #516))) (call $say #480 #1) (br $end)))
        (call $say (i32.load #516) (i32.load #520))
        (br $more))))"""


def request(
    authority: str,
    path: str = "/",
    *,
    method: str = "GET",
    scheme: str = "http",
    body: str = "",
    connect: float | None = None,
    first: float | None = None,
    open_at_once: int = 1,
) -> str:
    """A command that makes a request, or several before it looks at their responses."""
    texts = [authority.encode(), path.encode(), body.encode()]
    places, at = [], 1040
    for text in texts:
        places += [at, len(text)]
        at += len(text)
    data = b"x-testweft" + b"ftp" + b"\\00" * 3 + b"".join(texts)
    words = f"#{METHODS.index(method)} #{SCHEMES[scheme]} {' '.join(f'#{place}' for place in places)}"
    times = connect is not None or first is not None
    waits = f"(i64.const {int((connect or 60) * 1e9)}) (i64.const {int((first or 60) * 1e9)})"
    sends = "".join(f"(local.set $f{n} (call $send {words} #{int(times)} {waits}))" for n in range(open_at_once))
    answers = "".join(f"(call $answer (local.get $f{n}))" for n in range(open_at_once))
    locals_ = "".join(f"(local $f{n} i32)" for n in range(open_at_once))
    return _component(data.decode(), f"{locals_} {sends} {answers} #0")


def _component(data: str, run: str) -> str:
    lowered = "".join(
        f'\n  (core func ${name} (canon lower (func ${interface} "{function}") {_CANON}))'
        for name, (interface, function, _) in _LOWERED.items()
    )
    imports = "".join(f'\n    (import "h" "{name}" (func ${name} {ty}))' for name, (_, _, ty) in _LOWERED.items())
    given = " ".join(f'(export "{name}" (func ${name}))' for name in _LOWERED)
    return numbers(f"""(component{_STREAMS}{_TYPES}{_MEMORY}{lowered}
  (core func $drop-out (canon resource.drop $out))
  (core module $main
    (import "m" "memory" (memory 1))
    (import "m" "free" (global $free (mut i32))){imports}
    (import "h" "drop-out" (func $drop-out (param i32)))
    (data (i32.const 1024) "{data}")
    {_MAIN}
    (func (export "run") (result i32) {run}))
  (core instance $i (instantiate $main (with "m" (instance $m)) (with "h" (instance {given}
    (export "drop-out" (func $drop-out))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))""")
