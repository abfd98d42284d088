;; A scan looks twice: at codes of vectors, 32 numbers a step, and at vectors that may be among the best, 16 a step.
;; Strides of vectors are multiples of 64 bytes: they are padded with zeros. The order of additions does not depend on where
;; a vector lies or on how it is reached, so equal vectors have equal scores. Multiply and add are one instruction where the
;; processor has it: scores may differ from another processor in the last bit.
;; A code: int8, padded with zeros to a multiple of 32; its scale, the length of its error and that of the vector, as f32;
;; four bytes that nothing uses. first-look.ts says what a code is good for.
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

  ;; Where what is `stride` long lies of a row: groups hold 64 rows, and `base` is where it lies of row 0.
  (func $place (param $base i32) (param $groupBytes i32) (param $stride i32) (param $row i32) (result i32)
    (i32.add
      (i32.add (local.get $base) (i32.mul (i32.shr_u (local.get $row) (i32.const 6)) (local.get $groupBytes)))
      (i32.mul (i32.and (local.get $row) (i32.const 63)) (local.get $stride))))

  ;; Scores of the `count` vectors whose row numbers (u32) stand at `rows`; row 0 lies at `base`. The first half and the
  ;; second go side by side.
  (func (export "dotRows") (param $query i32) (param $base i32) (param $groupBytes i32) (param $stride i32) (param $rows i32) (param $count i32) (param $out i32)
    (local $end i32) (local $half i32) (local $near i32) (local $far i32) (local $score f32)
    (local.set $half (i32.shl (i32.shr_u (local.get $count) (i32.const 1)) (i32.const 2)))
    (local.set $end (i32.add (local.get $out) (local.get $half)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $out) (local.get $end)))
        (local.set $near (i32.load (local.get $rows)))
        (local.set $far (i32.load (i32.add (local.get $rows) (local.get $half))))
        (call $dotTwo (local.get $query)
          (call $place (local.get $base) (local.get $groupBytes) (local.get $stride) (local.get $near))
          (call $place (local.get $base) (local.get $groupBytes) (local.get $stride) (local.get $far))
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
            (call $place (local.get $base) (local.get $groupBytes) (local.get $stride)
              (i32.load (i32.add (local.get $rows) (local.get $half))))
            (local.get $stride))))))

  ;; Writes the code of a vector of `bytes`: scale = max |x| / 127, int8 = x / scale to the nearest within ±127, whatever the
  ;; quotient is where the scale underflows: the error is measured.
  (func (export "encode") (param $vector i32) (param $bytes i32) (param $code i32) (param $codeBytes i32)
    (local $at i32) (local $end i32) (local $lengths i32) (local $max v128) (local $largest f32) (local $scale v128)
    (local $inverse v128) (local $x v128) (local $c v128) (local $int v128) (local $norm v128) (local $error v128)
    (local.set $end (i32.add (local.get $vector) (local.get $bytes)))
    (local.set $lengths (i32.sub (i32.add (local.get $code) (local.get $codeBytes)) (i32.const 16)))
    (local.set $at (local.get $vector))
    (loop $next
      (local.set $x (v128.load (local.get $at)))
      (local.set $max (f32x4.pmax (local.get $max) (f32x4.abs (local.get $x))))
      (local.set $norm (f32x4.add (local.get $norm) (f32x4.mul (local.get $x) (local.get $x))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end))))
    (local.set $largest
      (f32.max
        (f32.max (f32x4.extract_lane 0 (local.get $max)) (f32x4.extract_lane 1 (local.get $max)))
        (f32.max (f32x4.extract_lane 2 (local.get $max)) (f32x4.extract_lane 3 (local.get $max)))))
    (local.set $inverse (f32x4.splat (f32.div (f32.const 127) (local.get $largest))))
    (local.set $scale (f32x4.splat (f32.div (local.get $largest) (f32.const 127))))
    (loop $next
      (local.set $x (v128.load (local.get $vector)))
      (local.set $c
        (f32x4.pmax (v128.const f32x4 -127 -127 -127 -127)
          (f32x4.pmin (v128.const f32x4 127 127 127 127)
            (f32x4.nearest (f32x4.mul (local.get $x) (local.get $inverse))))))
      (local.set $int (i32x4.relaxed_trunc_f32x4_s (local.get $c)))
      (local.set $int (i16x8.narrow_i32x4_s (local.get $int) (local.get $int)))
      (v128.store32_lane 0 (local.get $code) (i8x16.narrow_i16x8_s (local.get $int) (local.get $int)))
      (local.set $x (f32x4.sub (local.get $x) (f32x4.mul (local.get $scale) (local.get $c))))
      (local.set $error (f32x4.add (local.get $error) (f32x4.mul (local.get $x) (local.get $x))))
      (local.set $code (i32.add (local.get $code) (i32.const 4)))
      (br_if $next (i32.lt_u (local.tee $vector (i32.add (local.get $vector) (i32.const 16))) (local.get $end))))
    (f32.store (local.get $lengths) (f32x4.extract_lane 0 (local.get $scale)))
    (f32.store offset=4 (local.get $lengths) (call $length (local.get $error)))
    (f32.store offset=8 (local.get $lengths) (call $length (local.get $norm))))

  (func $length (param $squares v128) (result f32)
    (f32.sqrt
      (f32.add
        (f32.add (f32x4.extract_lane 0 (local.get $squares)) (f32x4.extract_lane 1 (local.get $squares)))
        (f32.add (f32x4.extract_lane 2 (local.get $squares)) (f32x4.extract_lane 3 (local.get $squares))))))

  ;; Of the `count` rows listed (u32) at `rows`, lists at `kept` those whose score may reach `floor`, in another order, and says
  ;; how many. The code of row 0 lies at `base`; `query` is int16. Four rows go side by side, one of each quarter of the list,
  ;; and wait for memory together; where the last quarter is shorter, one goes beside itself.
  (func (export "mayReach")
    (param $floor f64) (param $query i32) (param $unit f64) (param $perError f64) (param $perLength f64)
    (param $base i32) (param $groupBytes i32) (param $stride i32) (param $rows i32) (param $count i32) (param $kept i32)
    (result i32)
    (local $first i32) (local $end i32) (local $quarter i32) (local $quarterEnd i32) (local $q i32) (local $codesEnd i32)
    (local $a i32) (local $codeA i32) (local $sA v128)
    (local $b i32) (local $codeB i32) (local $sB v128)
    (local $c i32) (local $codeC i32) (local $sC v128)
    (local $d i32) (local $codeD i32) (local $sD v128)
    (local $q0 v128) (local $q1 v128) (local $q2 v128) (local $q3 v128)
    (local.set $first (local.get $kept))
    (local.set $end (i32.add (local.get $rows) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $quarter (i32.and (i32.add (local.get $count) (i32.const 3)) (i32.const -4)))
    (local.set $quarterEnd (i32.add (local.get $rows) (local.get $quarter)))
    (block $done
      (loop $four
        (br_if $done (i32.ge_u (local.get $rows) (local.get $quarterEnd)))
        (local.set $a (local.get $rows))
        (local.set $b (i32.add (local.get $a) (local.get $quarter)))
        (local.set $c (i32.add (local.get $b) (local.get $quarter)))
        (local.set $d (i32.add (local.get $c) (local.get $quarter)))
        (local.set $codeA (call $codeOf (local.get $a) (local.get $rows) (local.get $end) (local.get $base) (local.get $groupBytes) (local.get $stride)))
        (local.set $sA (v128.const i32x4 0 0 0 0))
        (local.set $codeB (call $codeOf (local.get $b) (local.get $rows) (local.get $end) (local.get $base) (local.get $groupBytes) (local.get $stride)))
        (local.set $sB (v128.const i32x4 0 0 0 0))
        (local.set $codeC (call $codeOf (local.get $c) (local.get $rows) (local.get $end) (local.get $base) (local.get $groupBytes) (local.get $stride)))
        (local.set $sC (v128.const i32x4 0 0 0 0))
        (local.set $codeD (call $codeOf (local.get $d) (local.get $rows) (local.get $end) (local.get $base) (local.get $groupBytes) (local.get $stride)))
        (local.set $sD (v128.const i32x4 0 0 0 0))
        (local.set $codesEnd (i32.add (local.get $codeA) (i32.sub (local.get $stride) (i32.const 16))))
        (local.set $q (local.get $query))
        (loop $next
          (local.set $q0 (v128.load (local.get $q)))
          (local.set $q1 (v128.load offset=16 (local.get $q)))
          (local.set $q2 (v128.load offset=32 (local.get $q)))
          (local.set $q3 (v128.load offset=48 (local.get $q)))
          (local.set $sA (i32x4.add (local.get $sA) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $codeA)) (local.get $q0))))
          (local.set $sA (i32x4.add (local.get $sA) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $codeA)) (local.get $q1))))
          (local.set $sA (i32x4.add (local.get $sA) (i32x4.dot_i16x8_s (v128.load8x8_s offset=16 (local.get $codeA)) (local.get $q2))))
          (local.set $sA (i32x4.add (local.get $sA) (i32x4.dot_i16x8_s (v128.load8x8_s offset=24 (local.get $codeA)) (local.get $q3))))
          (local.set $sB (i32x4.add (local.get $sB) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $codeB)) (local.get $q0))))
          (local.set $sB (i32x4.add (local.get $sB) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $codeB)) (local.get $q1))))
          (local.set $sB (i32x4.add (local.get $sB) (i32x4.dot_i16x8_s (v128.load8x8_s offset=16 (local.get $codeB)) (local.get $q2))))
          (local.set $sB (i32x4.add (local.get $sB) (i32x4.dot_i16x8_s (v128.load8x8_s offset=24 (local.get $codeB)) (local.get $q3))))
          (local.set $sC (i32x4.add (local.get $sC) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $codeC)) (local.get $q0))))
          (local.set $sC (i32x4.add (local.get $sC) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $codeC)) (local.get $q1))))
          (local.set $sC (i32x4.add (local.get $sC) (i32x4.dot_i16x8_s (v128.load8x8_s offset=16 (local.get $codeC)) (local.get $q2))))
          (local.set $sC (i32x4.add (local.get $sC) (i32x4.dot_i16x8_s (v128.load8x8_s offset=24 (local.get $codeC)) (local.get $q3))))
          (local.set $sD (i32x4.add (local.get $sD) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $codeD)) (local.get $q0))))
          (local.set $sD (i32x4.add (local.get $sD) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $codeD)) (local.get $q1))))
          (local.set $sD (i32x4.add (local.get $sD) (i32x4.dot_i16x8_s (v128.load8x8_s offset=16 (local.get $codeD)) (local.get $q2))))
          (local.set $sD (i32x4.add (local.get $sD) (i32x4.dot_i16x8_s (v128.load8x8_s offset=24 (local.get $codeD)) (local.get $q3))))
          (local.set $q (i32.add (local.get $q) (i32.const 64)))
          (local.set $codeB (i32.add (local.get $codeB) (i32.const 32)))
          (local.set $codeC (i32.add (local.get $codeC) (i32.const 32)))
          (local.set $codeD (i32.add (local.get $codeD) (i32.const 32)))
          (br_if $next (i32.lt_u (local.tee $codeA (i32.add (local.get $codeA) (i32.const 32))) (local.get $codesEnd))))
        (if
          (call $reaches (local.get $sA) (local.get $codeA) (local.get $floor) (local.get $unit) (local.get $perError) (local.get $perLength))
          (then
            (i32.store (local.get $kept) (i32.load (local.get $a)))
            (local.set $kept (i32.add (local.get $kept) (i32.const 4)))))
        (if
          (i32.and
            (i32.lt_u (local.get $b) (local.get $end))
            (call $reaches (local.get $sB) (local.get $codeB) (local.get $floor) (local.get $unit) (local.get $perError) (local.get $perLength)))
          (then
            (i32.store (local.get $kept) (i32.load (local.get $b)))
            (local.set $kept (i32.add (local.get $kept) (i32.const 4)))))
        (if
          (i32.and
            (i32.lt_u (local.get $c) (local.get $end))
            (call $reaches (local.get $sC) (local.get $codeC) (local.get $floor) (local.get $unit) (local.get $perError) (local.get $perLength)))
          (then
            (i32.store (local.get $kept) (i32.load (local.get $c)))
            (local.set $kept (i32.add (local.get $kept) (i32.const 4)))))
        (if
          (i32.and
            (i32.lt_u (local.get $d) (local.get $end))
            (call $reaches (local.get $sD) (local.get $codeD) (local.get $floor) (local.get $unit) (local.get $perError) (local.get $perLength)))
          (then
            (i32.store (local.get $kept) (i32.load (local.get $d)))
            (local.set $kept (i32.add (local.get $kept) (i32.const 4)))))
        (local.set $rows (i32.add (local.get $rows) (i32.const 4)))
        (br $four)))
    (i32.shr_u (i32.sub (local.get $kept) (local.get $first)) (i32.const 2)))

  ;; The code of the row whose number stands at `row`, or at `other` if that is no longer in the list.
  (func $codeOf
    (param $row i32) (param $other i32) (param $end i32) (param $base i32) (param $groupBytes i32) (param $stride i32)
    (result i32)
    (call $place (local.get $base) (local.get $groupBytes) (local.get $stride)
      (i32.load (select (local.get $row) (local.get $other) (i32.lt_u (local.get $row) (local.get $end))))))

  ;; Whether the bound of a row, from the sums of its products of codes, reaches `floor`.
  (func $reaches
    (param $s v128) (param $lengths i32)
    (param $floor f64) (param $unit f64) (param $perError f64) (param $perLength f64) (result i32)
    (f64.ge
      (f64.add
        (f64.mul
          (f64.mul (local.get $unit) (f64.promote_f32 (f32.load (local.get $lengths))))
          (f64.convert_i32_s
            (i32.add
              (i32.add (i32x4.extract_lane 0 (local.get $s)) (i32x4.extract_lane 1 (local.get $s)))
              (i32.add (i32x4.extract_lane 2 (local.get $s)) (i32x4.extract_lane 3 (local.get $s))))))
        (f64.add
          (f64.mul (local.get $perError) (f64.promote_f32 (f32.load offset=4 (local.get $lengths))))
          (f64.mul (local.get $perLength) (f64.promote_f32 (f32.load offset=8 (local.get $lengths))))))
      (local.get $floor))))
