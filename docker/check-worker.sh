#!/bin/sh
# check-worker.sh: the worker's modules load, and the model's runtime embeds a phantom on the CPU.
set -eu
cd "$(dirname "$0")/.."
exec node docker/check-worker.ts
