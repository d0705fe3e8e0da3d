#!/bin/sh
# Runs runtime/tests/containers in a QEMU guest with another kernel and cgroup v2 alone.
#
# usage: runtime/tests/guest.sh KERNEL_PACKAGE.deb [TEST_PROGRAM]
#        (scripts/test.sh downloads the package into target/guest; tests/guest.rs runs this)
# needs: qemu-system-x86, cpio or busybox, busybox-static; cargo without TEST_PROGRAM; /dev/kvm, or RBUILD_TEST_GUEST=emulated
# and RBUILD_TEST_SECONDS=900, for emulation takes minutes.
set -eu
package=$(realpath "$1")
program=${2:+$(realpath "$2")}
cd "$(dirname "$0")/../.."
. scripts/guest.sh
[ -n "$program" ] || program=$(cargo test -p runtime --test containers --no-run --message-format=short 2>&1 |
    sed -n 's/.*Executable .*(\(.*\))$/\1/p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
guest_kernel "$package" "$work/kernel"
root=$work/root
mkdir -p "$root/etc" "$root/root"
# As where directories of programs and libraries are one.
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64"
for name in bin lib lib64; do
    ln -s "usr/$name" "$root/$name"
done
guest_tools "$root" sh mount mkdir cp cat switch_root insmod poweroff uname
cp "$program" "$root/tests"
find "$work/kernel" -name overlay.ko -exec cp {} "$root/overlay.ko" \;
guest_libraries "$program" "$root"
echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
# The first root cannot be pivoted away from, so everything moves to a tmpfs.
cat > "$root/init" <<'INIT'
#!/bin/sh
mkdir -p /new && mount -t tmpfs -o size=900m tmpfs /new
cp -a /bin /etc /lib /lib64 /usr /root /tests /overlay.ko /init2 /new/
mkdir -p /new/proc /new/sys /new/dev /new/tmp
exec switch_root /new /init2
INIT
cat > "$root/init2" <<'INIT'
#!/bin/sh
echo the guest is up
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts && mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
insmod /overlay.ko
uname -r
cat /sys/fs/cgroup/cgroup.controllers
/tests 2>&1
poweroff -f
INIT
chmod +x "$root/init" "$root/init2"
guest_initrd "$root" "$work/initrd"
guest_run "$work" -m 1800
grep -aq 'test result: ok' "$work/output"
