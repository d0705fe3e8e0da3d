#!/usr/bin/env bash
# Usage: busybox-rootfs.sh OUT.tar
#
# Writes a small root filesystem: Debian's static busybox under all its names, users, /tmp. The same
# busybox makes the same bytes, so images built from it have the same digests.
set -euo pipefail

out=${1:?usage: busybox-rootfs.sh OUT.tar}
busybox=$(command -v busybox) || {
    echo "error: \`busybox\` is missing; Debian's package is \`busybox-static\`" >&2
    exit 1
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{bin,dev,etc,home,proc,root,run,sbin,sys,usr/bin,usr/local/bin,usr/sbin,var}
mkdir -m 1777 "$root"/{tmp,var/tmp}
chmod 700 "$root/root"

cp "$busybox" "$root/bin/busybox"
chmod 755 "$root/bin/busybox"
"$root/bin/busybox" --list | while read -r name; do
    [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
done

cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
END
cat >"$root/etc/group" <<'END'
root:x:0:
nogroup:x:65534:
END
chmod 644 "$root"/etc/*

tar --create --file "$out" --directory "$root" --sort=name --mtime=@0 \
    --owner=0 --group=0 --numeric-owner --format=posix \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .
