#!/usr/bin/env bash
# From a checkout to a running container: installs what is missing (Debian or Ubuntu), builds rbuild,
# makes a base image of busybox, builds this directory's Dockerfile and runs the result. Needs root:
# containers are namespaces, mounts and cgroups.
#
# RBUILD      use this binary instead of building one
# RBUILD_ROOT keep images here (default: target/quickstart, so that nothing else is touched)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
. scripts/packages.sh

if [ "$(id -u)" != 0 ]; then
    echo "error: run this as root: containers need it" >&2
    exit 1
fi

need busybox busybox-static
if [ -z "${RBUILD:-}" ]; then
    need cc gcc
    need_rust
    cargo build --release --locked
    RBUILD=$PWD/target/release/rbuild
fi
export RBUILD_ROOT=${RBUILD_ROOT:-$PWD/target/quickstart/store}
export RBUILD_STATE=${RBUILD_STATE:-$PWD/target/quickstart/state}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() {
    echo
    echo "\$ rbuild $*" >&2
    "$RBUILD" "$@"
}

scripts/busybox-rootfs.sh "$work/busybox.tar"
step import "$work/busybox.tar" busybox:latest
step build --tag greet --build-arg GREETING=Welcome "$here"
step images
step history greet
step run --rm greet
step run --rm -e NAME=container greet
step save --format oci --output "$work/greet.tar" greet
