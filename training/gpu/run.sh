#!/usr/bin/env bash
# One part of the GPU run, each under ten minutes; what a machine that goes away has not collected is lost.
#   run.sh unpack                .carry/*.tar → prepared sets; wheels of .carry/wheels onto the path
#   run.sh stage1 | stage2 | ablate [--set KEY=VALUE …]   a stage ends and publishes after LIMIT seconds (default 480)
#   run.sh collect FOLDER        copy what comes back: published weights, manifests, logs, probes, scores of ablations
# REHEARSE=1: a few steps on the CPU with the same files. RUN, CONFIG and PREPARED name other places.
set -euo pipefail
cd "$(dirname "$0")/../.."
RUN=${RUN:-/tmp/versamammo/run} PREPARED=${PREPARED:-/tmp/versamammo/prepared} CONFIG=${CONFIG:-training/configs/lite-gpu.yaml}
SITE=/tmp/versamammo/site PYTHON=${PYTHON:-python3}
export PYTHONPATH=$PWD/training:$PWD/.carry/weights:$SITE PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
sets="[$PREPARED/cbis-ddsm-mass-256,$PREPARED/rsna-512,$PREPARED/cdd-cesm-dm-512]"
overrides=(--set "data.sets=$sets")
if [ -n "${REHEARSE:-}" ]; then
  overrides+=(--set data.workers=1 --set runtime.threads=1 --set stage1.steps=2 --set stage1.batch=6
    --set stage2.steps=2 --set stage2.batch=6 --set stage2.validate_steps=2)
  if [ "${1:-}" = ablate ]; then overrides+=(--set ablate.jobs=2); fi
fi
case ${1:-} in
  unpack)
    "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target $SITE .carry/wheels/*.whl
    "$PYTHON" training/gpu/pack.py unpack --out "$PREPARED" .carry/*.tar
    ;;
  stage1 | stage2 | ablate)
    "$PYTHON" -m versamammo "$1" --config "$CONFIG" --run "$RUN" --set "runtime.stop_after_seconds=${LIMIT:-480}" "${overrides[@]}" "${@:2}"
    ;;
  collect)
    tar -C "$RUN" -cf "${2:?a folder}/$(basename "$RUN").tar" $(cd "$RUN" && find . -name '*.pt' -path '*stage[12]/[st]*' -not -path './runs/*' \
      -o -name manifest.json -not -path '*/checkpoints/*' -o -name log.jsonl -o -name log.txt -o -name probe.json -o -path './scores/*')
    ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
