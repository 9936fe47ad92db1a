"""A command component in text: it exports ``wasi:cli/run``, reads its input and writes its output through WASI."""

from __future__ import annotations

from tests.component.guests import numbers

_STREAMS = """
  (import "wasi:io/error@0.2.0" (instance $ioerror (export "error" (type (sub resource)))))
  (alias export $ioerror "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $e0)) (export "error" (type $e (eq $e0)))
    (export "input-stream" (type $in (sub resource)))
    (export "output-stream" (type $out (sub resource)))
    (type $se0 (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $se (eq $se0)))
    (export "[method]input-stream.blocking-read" (func (param "self" (borrow $in)) (param "len" u64)
      (result (result (list u8) (error $se)))))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $out))
      (param "contents" (list u8)) (result (result (error $se)))))))
  (alias export $streams "input-stream" (type $in))
  (alias export $streams "output-stream" (type $out))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $in (type $i0)) (export "input-stream" (type $i (eq $i0)))
    (export "get-stdin" (func (result (own $i))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $out (type $o0)) (export "output-stream" (type $o (eq $o0)))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $out (type $o0)) (export "output-stream" (type $o (eq $o0)))
    (export "get-stderr" (func (result (own $o))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:filesystem/types@0.2.0" (instance $fs (export "descriptor" (type (sub resource)))))
  (alias export $fs "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $d0)) (export "descriptor" (type $d (eq $d0)))
    (export "get-directories" (func (result (list (tuple (own $d) string)))))))"""
_MEMORY = """
  (core module $memory
    (memory (export "memory") 4)
    (global $free (mut i32) #65536)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) #15) #-16))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $m (instantiate $memory))"""
_CANON = '(memory (core memory $m "memory")) (realloc (core func $m "realloc"))'
_LOWERED = {
    "stdin": ("stdin", "get-stdin", "(result i32)"),
    "stdout": ("stdout", "get-stdout", "(result i32)"),
    "stderr": ("stderr", "get-stderr", "(result i32)"),
    "read": ("streams", "[method]input-stream.blocking-read", "(param i32 i64 i32)"),
    "write": ("streams", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)"),
    "environment": ("environment", "get-environment", "(param i32)"),
    "arguments": ("environment", "get-arguments", "(param i32)"),
    "exit": ("exit", "exit", "(param i32)"),
    "directories": ("preopens", "get-directories", "(param i32)"),
}


def command(run: str, *, version: str = "0.2.0") -> str:
    """A component whose ``run`` is this core code, which ends with 0 (ok) or 1 (error)."""
    lowered = "".join(
        f'\n  (core func ${name} (canon lower (func ${interface} "{function}") {_CANON}))'
        for name, (interface, function, _) in _LOWERED.items()
    )
    imports = "".join(f'\n    (import "h" "{name}" (func ${name} {ty}))' for name, (_, _, ty) in _LOWERED.items())
    given = " ".join(f'(export "{name}" (func ${name}))' for name in _LOWERED)
    return numbers(f"""(component{_STREAMS}{_MEMORY}{lowered}
  (core module $main
    (import "m" "memory" (memory 1)){imports}
    (func (export "run") (result i32) (local $in i32) (local $out i32) (local $i i32) {run}))
  (core instance $i (instantiate $main (with "m" (instance $m)) (with "h" (instance {given}))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@{version}" (instance $command)))""").replace("@0.2.0", f"@{version}")


COPY = """
  (local.set $in (call $stdin)) (local.set $out (call $stdout))
  (block $end
    (loop $more
      (call $read (local.get $in) (i64.const 4096) #0)
      (br_if $end (i32.load8_u #0))
      (call $write (local.get $out) (i32.load #4) (i32.load #8) #16)
      (br_if $more (i32.eqz (i32.load8_u #16)))))"""
"""Standard input to standard output."""


def listed(function: str, width: int, at: int) -> str:
    """Print the texts of a list whose elements have this size, the text's pointer lying at an offset in each."""
    return f"""(local.set $out (call $stdout)) (call ${function} #0)
      (block $end (loop $more
        (br_if $end (i32.ge_u (local.get $i) (i32.load #4)))
        (local.set $in (i32.add (i32.load #0) (i32.mul (local.get $i) #{width})))
        (call $write (local.get $out) (i32.load (i32.add (local.get $in) #{at}))
          (i32.load (i32.add (local.get $in) #{at + 4})) #16)
        (local.set $i (i32.add (local.get $i) #1)) (br $more)))"""


def connecting(port: int) -> str:
    """A command that connects to a port of this machine, and prints the error as a letter from "A" on; "!" for none."""
    return numbers(f"""(component
  (import "wasi:sockets/network@0.2.0" (instance $network
    (export "network" (type (sub resource)))
    (type $ec (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
      "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
      "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
      "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $ec)))
    (type $f0 (enum "ipv4" "ipv6")) (export "ip-address-family" (type (eq $f0)))
    (type $a4 (tuple u8 u8 u8 u8)) (export "ipv4-address" (type $v4 (eq $a4)))
    (type $a6 (tuple u16 u16 u16 u16 u16 u16 u16 u16)) (export "ipv6-address" (type $v6 (eq $a6)))
    (type $s4 (record (field "port" u16) (field "address" $v4))) (export "ipv4-socket-address" (type $t4 (eq $s4)))
    (type $s6 (record (field "port" u16) (field "flow-info" u32) (field "address" $v6) (field "scope-id" u32)))
    (export "ipv6-socket-address" (type $t6 (eq $s6)))
    (type $sa (variant (case "ipv4" $t4) (case "ipv6" $t6))) (export "ip-socket-address" (type (eq $sa)))))
  (alias export $network "network" (type $net))
  (alias export $network "error-code" (type $code))
  (alias export $network "ip-socket-address" (type $address))
  (alias export $network "ip-address-family" (type $family))
  (import "wasi:sockets/instance-network@0.2.0" (instance $instance
    (alias outer 1 $net (type $n0)) (export "network" (type $n (eq $n0)))
    (export "instance-network" (func (result (own $n))))))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp
    (alias outer 1 $net (type $n0)) (export "network" (type $n (eq $n0)))
    (alias outer 1 $code (type $c0)) (export "error-code" (type $c (eq $c0)))
    (alias outer 1 $address (type $a0)) (export "ip-socket-address" (type $a (eq $a0)))
    (export "tcp-socket" (type $s (sub resource)))
    (export "[method]tcp-socket.start-connect" (func (param "self" (borrow $s)) (param "network" (borrow $n))
      (param "remote-address" $a) (result (result (error $c)))))))
  (alias export $tcp "tcp-socket" (type $socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
    (alias outer 1 $code (type $c0)) (export "error-code" (type $c (eq $c0)))
    (alias outer 1 $family (type $f0)) (export "ip-address-family" (type $f (eq $f0)))
    (alias outer 1 $socket (type $s0)) (export "tcp-socket" (type $s (eq $s0)))
    (export "create-tcp-socket" (func (param "address-family" $f) (result (result (own $s) (error $c)))))))
{_STREAMS}{_MEMORY}
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") {_CANON}))
  (core func $network (canon lower (func $instance "instance-network")))
  (core func $create (canon lower (func $create "create-tcp-socket") {_CANON}))
  (core func $connect (canon lower (func $tcp "[method]tcp-socket.start-connect") {_CANON}))
  (core module $main
    (import "m" "memory" (memory 1))
    (import "h" "stdout" (func $stdout (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "network" (func $network (result i32)))
    (import "h" "create" (func $create (param i32 i32)))
    (import "h" "connect" (func $connect
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (func $say (param i32) (i32.store8 #64 (local.get 0))
      (call $write (call $stdout) #64 #1 #16))
    (func (export "run") (result i32)
      (call $create #0 #0)
      (if (i32.load8_u #0) (then
        (call $say (i32.add #65 (i32.load8_u #4))) (return #0)))
      (call $connect (i32.load #4) (call $network) #0 #{port}
        #127 #0 #0 #1
        #0 #0 #0 #0 #0 #0 #32)
      (call $say (select (i32.add #65 (i32.load8_u #33)) #33 (i32.load8_u #32)))
      #0))
  (core instance $i (instantiate $main (with "m" (instance $m)) (with "h" (instance
    (export "stdout" (func $stdout)) (export "write" (func $write)) (export "network" (func $network))
    (export "create" (func $create)) (export "connect" (func $connect))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))""")
