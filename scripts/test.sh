#!/usr/bin/env bash
# Installs what the tests need (Debian or Ubuntu) and runs all of them. As root the privileged
# tests run too; as another user they are skipped, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

need cc gcc
need make make
need busybox busybox-static
need skopeo skopeo
need docker-registry docker-registry
need qemu-riscv64-static qemu-user-static
need umoci umoci
need podman podman
need buildah buildah
need dockerd docker.io
need docker docker-cli # where it is not part of docker.io
need mmdebstrap mmdebstrap
need mkfs.ext4 e2fsprogs
need bzip2 bzip2
need openssl openssl
need python3 python3
need jsonschema python3-jsonschema
need zsh zsh
need fish fish
need xz xz-utils
need zstd zstd
need unshare util-linux
need nsenter util-linux
need ip iproute2
need /usr/sbin/nft nftables
need /usr/sbin/iptables-legacy iptables
need rsvg-convert librsvg2-bin
need curl curl
need setpriv util-linux
need mount mount
need git git
need strace strace
need ssh-agent openssh-client
need /usr/sbin/sshd openssh-server
need qemu-system-x86_64 qemu-system-x86
need_guest_kernel
need_rust

python3 scripts/mutations.py --check
exec cargo test --workspace --locked "$@"
