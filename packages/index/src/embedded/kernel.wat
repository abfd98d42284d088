;; Dot products of one query with stored vectors, 16 floats a step in four accumulators.
;; Strides are multiples of 64 bytes: vectors are padded with zeros. The order of additions does not depend on where a
;; vector lies or on how it is reached, so equal vectors have equal scores. Multiply and add are one instruction where the
;; processor has it: scores may differ from another processor in the last bit.
(module
  (import "index" "memory" (memory 1 4096 shared))

  (func $dot (param $a i32) (param $b i32) (param $bytes i32) (result f32)
    (local $end i32) (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local.set $end (i32.add (local.get $a) (local.get $bytes)))
    (loop $next
      (local.set $s0 (f32x4.relaxed_madd (v128.load (local.get $a)) (v128.load (local.get $b)) (local.get $s0)))
      (local.set $s1 (f32x4.relaxed_madd (v128.load offset=16 (local.get $a)) (v128.load offset=16 (local.get $b)) (local.get $s1)))
      (local.set $s2 (f32x4.relaxed_madd (v128.load offset=32 (local.get $a)) (v128.load offset=32 (local.get $b)) (local.get $s2)))
      (local.set $s3 (f32x4.relaxed_madd (v128.load offset=48 (local.get $a)) (v128.load offset=48 (local.get $b)) (local.get $s3)))
      (local.set $b (i32.add (local.get $b) (i32.const 64)))
      (br_if $next (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 64))) (local.get $end))))
    (local.set $s0 (f32x4.add (f32x4.add (local.get $s0) (local.get $s1)) (f32x4.add (local.get $s2) (local.get $s3))))
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $s0)) (f32x4.extract_lane 1 (local.get $s0)))
      (f32.add (f32x4.extract_lane 2 (local.get $s0)) (f32x4.extract_lane 3 (local.get $s0)))))

  ;; Two at once, each in the order of $dot: both wait for memory together.
  (func $dotTwo (param $query i32) (param $a i32) (param $b i32) (param $bytes i32) (result f32 f32)
    (local $end i32) (local $q0 v128) (local $q1 v128) (local $q2 v128) (local $q3 v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local $t0 v128) (local $t1 v128) (local $t2 v128) (local $t3 v128)
    (local.set $end (i32.add (local.get $query) (local.get $bytes)))
    (loop $next
      (local.set $q0 (v128.load (local.get $query)))
      (local.set $q1 (v128.load offset=16 (local.get $query)))
      (local.set $q2 (v128.load offset=32 (local.get $query)))
      (local.set $q3 (v128.load offset=48 (local.get $query)))
      (local.set $s0 (f32x4.relaxed_madd (v128.load (local.get $a)) (local.get $q0) (local.get $s0)))
      (local.set $s1 (f32x4.relaxed_madd (v128.load offset=16 (local.get $a)) (local.get $q1) (local.get $s1)))
      (local.set $s2 (f32x4.relaxed_madd (v128.load offset=32 (local.get $a)) (local.get $q2) (local.get $s2)))
      (local.set $s3 (f32x4.relaxed_madd (v128.load offset=48 (local.get $a)) (local.get $q3) (local.get $s3)))
      (local.set $t0 (f32x4.relaxed_madd (v128.load (local.get $b)) (local.get $q0) (local.get $t0)))
      (local.set $t1 (f32x4.relaxed_madd (v128.load offset=16 (local.get $b)) (local.get $q1) (local.get $t1)))
      (local.set $t2 (f32x4.relaxed_madd (v128.load offset=32 (local.get $b)) (local.get $q2) (local.get $t2)))
      (local.set $t3 (f32x4.relaxed_madd (v128.load offset=48 (local.get $b)) (local.get $q3) (local.get $t3)))
      (local.set $a (i32.add (local.get $a) (i32.const 64)))
      (local.set $b (i32.add (local.get $b) (i32.const 64)))
      (br_if $next (i32.lt_u (local.tee $query (i32.add (local.get $query) (i32.const 64))) (local.get $end))))
    (local.set $s0 (f32x4.add (f32x4.add (local.get $s0) (local.get $s1)) (f32x4.add (local.get $s2) (local.get $s3))))
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $s0)) (f32x4.extract_lane 1 (local.get $s0)))
      (f32.add (f32x4.extract_lane 2 (local.get $s0)) (f32x4.extract_lane 3 (local.get $s0))))
    (local.set $t0 (f32x4.add (f32x4.add (local.get $t0) (local.get $t1)) (f32x4.add (local.get $t2) (local.get $t3))))
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $t0)) (f32x4.extract_lane 1 (local.get $t0)))
      (f32.add (f32x4.extract_lane 2 (local.get $t0)) (f32x4.extract_lane 3 (local.get $t0)))))

  ;; Scores of the `count` vectors whose row numbers (u32) stand at `rows`; row 0 lies at `base`. The first half and the
  ;; second go side by side.
  (func (export "dotRows") (param $query i32) (param $base i32) (param $stride i32) (param $rows i32) (param $count i32) (param $out i32)
    (local $end i32) (local $half i32) (local $near i32) (local $far i32) (local $score f32)
    (local.set $half (i32.shl (i32.shr_u (local.get $count) (i32.const 1)) (i32.const 2)))
    (local.set $end (i32.add (local.get $out) (local.get $half)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $out) (local.get $end)))
        (local.set $near (i32.load (local.get $rows)))
        (local.set $far (i32.load (i32.add (local.get $rows) (local.get $half))))
        (call $dotTwo (local.get $query)
          (i32.add (local.get $base) (i32.mul (local.get $near) (local.get $stride)))
          (i32.add (local.get $base) (i32.mul (local.get $far) (local.get $stride)))
          (local.get $stride))
        (local.set $score)
        (f32.store (i32.add (local.get $out) (local.get $half)) (local.get $score))
        (local.set $score)
        (f32.store (local.get $out) (local.get $score))
        (local.set $rows (i32.add (local.get $rows) (i32.const 4)))
        (local.set $out (i32.add (local.get $out) (i32.const 4)))
        (br $next)))
    (if (i32.and (local.get $count) (i32.const 1))
      (then
        (f32.store (i32.add (local.get $out) (local.get $half))
          (call $dot (local.get $query)
            (i32.add (local.get $base)
              (i32.mul (i32.load (i32.add (local.get $rows) (local.get $half))) (local.get $stride)))
            (local.get $stride)))))))
