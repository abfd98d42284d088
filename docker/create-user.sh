#!/bin/sh
# create-user.sh NAME ID: a user without home, shell or password.
set -eu
name=${1:?NAME is missing}
id=${2:?ID is missing}
groupadd --gid "$id" "$name"
useradd --uid "$id" --gid "$id" --no-create-home --home-dir /tmp --shell /usr/sbin/nologin "$name"
