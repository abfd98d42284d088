#!/bin/sh
# install-training.sh REQUIREMENTS: the system's libraries and Python's packages of training. Needs root.
set -eu
requirements=${1:?REQUIREMENTS is missing: training/requirements.txt}
[ -r "$requirements" ] || { echo "install-training.sh: $requirements is not there: nothing was installed" >&2; exit 1; }
apt-get update
apt-get install -y --no-install-recommends libglib2.0-0 libgl1
rm -rf /var/lib/apt/lists/*
pip install --no-cache-dir -r "$requirements"
