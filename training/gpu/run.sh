#!/usr/bin/env bash
# One part of the GPU run, each under ten minutes; a part that is cut off goes on when it is started again.
#   run.sh unpack                .carry/*.tar → prepared sets; wheels of .carry/wheels onto the path
#   run.sh stage1 | stage2       train, stopped after LIMIT seconds (default 540) at the latest
#   run.sh collect FOLDER        copy what comes back (teacher, student, logs, manifests) in pieces of 15 MB
# REHEARSE=1: a few steps on the CPU with the same files. RUN, CONFIG and PREPARED name other places.
set -euo pipefail
cd "$(dirname "$0")/../.."
RUN=${RUN:-/tmp/versamammo/run} PREPARED=${PREPARED:-/tmp/versamammo/prepared} CONFIG=${CONFIG:-training/configs/lite-gpu.yaml}
SITE=/tmp/versamammo/site PYTHON=${PYTHON:-python3}
export PYTHONPATH=$PWD/training:$SITE PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore
if compgen -G '.carry/wheels/*.whl' >/dev/null && [ ! -d $SITE ]; then
  $PYTHON -m pip install -q --no-index --no-deps --no-compile --target $SITE .carry/wheels/*.whl
fi
sets="[$PREPARED/cbis-ddsm-mass-256,$PREPARED/rsna-512,$PREPARED/cdd-cesm-dm-512]"
overrides=(--set "data.sets=$sets")
if [ -n "${REHEARSE:-}" ]; then
  overrides+=(--set data.workers=0 --set runtime.threads=1 --set stage1.steps=2 --set stage1.batch=4
    --set stage2.steps=2 --set stage2.batch=4 --set stage2.validate_steps=2)
fi
case ${1:-} in
  unpack) "$PYTHON" training/gpu/pack.py unpack --out "$PREPARED" .carry/*.tar ;;
  stage1 | stage2)
    # 124: time is up; the last checkpoint is at most a minute old.
    timeout "${LIMIT:-540}" "$PYTHON" -m versamammo "$1" --config "$CONFIG" --run "$RUN" "${overrides[@]}" || [ $? = 124 ]
    ;;
  collect)
    out=${2:?a folder}
    for stage in stage1 stage2; do
      for file in manifest.json log.jsonl probe.json; do
        [ ! -f "$RUN/$stage/$file" ] || cp "$RUN/$stage/$file" "$out/$stage-$file"
      done
    done
    [ ! -f "$RUN/stage2/student.pt" ] || split -b 15m -d "$RUN/stage2/student.pt" "$out/student.pt."
    ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
