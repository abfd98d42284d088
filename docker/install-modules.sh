#!/bin/sh
# install-modules.sh PROVIDER: what runs needs of npm. PROVIDER is onnxruntime's: `cuda12` downloads its CUDA libraries, `skip` has the CPU alone.
set -eu
provider=${1:?PROVIDER is missing: cuda12 or skip}
case $provider in cuda12 | skip) ;; *) echo "install-modules.sh: no provider $provider: cuda12 or skip" >&2; exit 2 ;; esac
npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# Of all install scripts only this one is wanted.
if [ "$provider" != skip ]; then
  ONNXRUNTIME_NODE_INSTALL=$provider node node_modules/onnxruntime-node/script/install.js
  ls node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so >/dev/null
fi
