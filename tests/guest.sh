#!/bin/sh
# Runs end-to-end tests in a QEMU guest: Debian 12 with its own kernel, cgroup v2 alone, modules loaded when they are asked for.
#
# usage: tests/guest.sh KERNEL_PACKAGE.deb TEST_PROGRAM [ARGUMENT OF THE TEST PROGRAM…]
#        (scripts/test.sh downloads the package into target/guest; tests/guest.rs runs this)
#        cargo test --release --test main --no-run, for the program and the binaries that it starts
# needs: qemu-system-x86, mmdebstrap and its mirror the first time, e2fsprogs, busybox-static, cpio or busybox; root;
# /dev/kvm, or what scripts/guest.sh says of emulation.
set -eu
package=$(realpath "$1")
program=$(realpath "$2")
shift 2
cd "$(dirname "$0")/.."
repository=$(pwd -P)
. scripts/guest.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
guest_kernel "$package" "$work/kernel"
version=$(ls "$work/kernel/lib/modules")
PATH=$PATH:/usr/sbin:/sbin

guest_trial "$work"
# The guest's own disk is made once for each kernel; what a run writes to it is forgotten.
disk=target/guest/debian-$version.ext4
if [ ! -e "$disk" ]; then
    mmdebstrap --quiet --variant=minbase bookworm "$work/debian" \
        --include=kmod,busybox-static,iproute2,nftables,iptables,e2fsprogs,strace,curl,python3-minimal,procps,openssl || {
        echo 'the guest does not start: its system cannot be made' >&2
        exit 3
    }
    cp -a "$work/kernel/lib/modules" "$work/debian/usr/lib/"
    chroot "$work/debian" depmod "$version"
    mkdir -p "$work/debian$repository"
    rm -f "$disk.part"
    mke2fs -q -t ext4 -d "$work/debian" "$disk.part" 6G
    mv "$disk.part" "$disk"
fi

# The repository and what was built, where they are here: the program knows these places.
built=$(dirname "$(dirname "$program")")
files=$work/repository
mkdir -p "$files/${built#"$repository"/}/deps" "$files/target/tmp"
find . -mindepth 1 -maxdepth 1 ! -name target ! -name '.git' -exec cp -a {} "$files/" \;
cp "$built/rbuild" "$built/rcompose" "$files/${built#"$repository"/}/"
cp "$program" "$files/${built#"$repository"/}/deps/"
for argument in "$@"; do
    echo "$argument"
done > "$files/arguments"
cat > "$files/run" <<INIT
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root RBUILD_TEST_ROOT=1
echo the guest is up
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm && mount -t devpts devpts /dev/pts && mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t tmpfs run /run && mount -t cgroup2 cgroup /sys/fs/cgroup
# As below systemd: nothing is in the first group, and a session has one of its own.
mkdir -p /sys/fs/cgroup/init.scope /sys/fs/cgroup/user.slice/session.scope
for process in \$(cat /sys/fs/cgroup/cgroup.procs); do
    echo "\$process" > /sys/fs/cgroup/user.slice/session.scope/cgroup.procs 2>/dev/null || true
done
ip link set lo up
hostname guest
uname -r
cat /sys/fs/cgroup/cgroup.controllers
cd $repository
busybox xargs -r '$program' --color never < ./arguments 2>&1
echo "the tests ended with \$?"
dmesg | grep -v 'Linux version' | tail -n 40
sync
busybox poweroff -f
INIT
chmod +x "$files/run"
mke2fs -q -t ext4 -d "$files" "$work/repository.ext4" 2G

root=$work/root
mkdir -p "$root"
guest_tools "$root" sh mount mkdir tar switch_root insmod poweroff
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
    find "$work/kernel" -name "$module.ko" -exec cp {} "$root/" \;
done
# What was built here may be linked with newer libraries than Debian's.
for built_program in "$program" "$files"/target/*/rbuild; do
    guest_libraries "$built_program" "$root/libraries"
done
cat > "$root/init" <<INIT
#!/bin/sh
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
    insmod /\$module.ko
done
mkdir -p /new /dev && mount -t devtmpfs dev /dev
mount -t ext4 /dev/vda /new && mount -t ext4 /dev/vdb /new$repository || poweroff -f
tar -C /libraries -cf - . | tar -C /new -xf -
exec switch_root /new $repository/run
INIT
chmod +x "$root/init"
guest_initrd "$root" "$work/initrd"
guest_run "$work" -m "${RBUILD_TEST_MEMORY:-2500}" \
    -drive "file=$disk,if=virtio,format=raw,snapshot=on" \
    -drive "file=$work/repository.ext4,if=virtio,format=raw,cache=unsafe"
grep -aq 'test result: ok' "$work/output"
