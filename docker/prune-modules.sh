#!/bin/sh
# prune-modules.sh NODE_MODULES OS CPU: removes onnxruntime's libraries of other machines, source maps and types.
set -eu
modules=${1:?NODE_MODULES is missing}
os=${2:?OS is missing, such as linux}
cpu=${3:?CPU is missing, such as x64}
keep=$modules/onnxruntime-node/bin/napi-v6/$os/$cpu
[ -d "$keep" ] || { echo "prune-modules.sh: $keep is not there: nothing was removed" >&2; exit 1; }
for folder in "$modules"/onnxruntime-node/bin/napi-v6/*/*; do
  [ "$folder" = "$keep" ] || rm -rf "$folder"
done
find "$modules" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete
