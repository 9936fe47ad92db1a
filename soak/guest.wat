;; Looks at the picture and says so; traps on every hundredth frame, so that instances are replaced all the time.
(module
  (import "weft" "frame_sequence" (func $sequence (result i64)))
  (import "weft" "image_read" (func $image (param i32 i32 i32 i32 i32) (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "application/json")
  (data (i32.const 32) "{\"labels\":[{\"label\":\"bars\"}]}")
  (func (export "weft_handle") (result i32)
    (if (i64.eq (i64.rem_u (call $sequence) (i64.const 100)) (i64.const 99)) (then unreachable))
    (if (i32.lt_s (call $image (i32.const 32) (i32.const 24) (i32.const 0) (i32.const 1024) (i32.const 2304)) (i32.const 0))
      (then (return (i32.const 1))))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 32) (i32.const 29))))
