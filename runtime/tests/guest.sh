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
[ -n "$program" ] || program=$(cargo test -p runtime --test containers --no-run --message-format=short 2>&1 |
    sed -n 's/.*Executable .*(\(.*\))$/\1/p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg -x "$package" "$work/kernel"
root=$work/root
mkdir -p "$root/bin" "$root/etc" "$root/lib" "$root/lib64" "$root/usr/lib" "$root/root"
cp /bin/busybox "$root/bin/"
for applet in sh mount mkdir cp cat switch_root insmod poweroff uname; do
    ln -s busybox "$root/bin/$applet"
done
cp "$program" "$root/tests"
find "$work/kernel" -name overlay.ko -exec cp {} "$root/overlay.ko" \;
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
# The first root cannot be pivoted away from, so everything moves to a tmpfs.
cat > "$root/init" <<'END'
#!/bin/sh
mkdir -p /new && mount -t tmpfs -o size=900m tmpfs /new
cp -a /bin /etc /lib /lib64 /usr /root /tests /overlay.ko /init2 /new/
mkdir -p /new/proc /new/sys /new/dev /new/tmp
exec switch_root /new /init2
END
cat > "$root/init2" <<'END'
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
END
chmod +x "$root/init" "$root/init2"
cpio=$(command -v cpio || echo "busybox cpio")
(cd "$root" && find . | $cpio -o -H newc) | gzip -1 > "$work/initrd"
accelerator="-accel tcg,thread=multi -cpu max"
[ "${RBUILD_TEST_GUEST:-kvm}" = emulated ] || accelerator="-accel kvm -cpu host,-arch-capabilities"
# shellcheck disable=SC2086 # several words
timeout "${RBUILD_TEST_SECONDS:-110}" qemu-system-x86_64 $accelerator -m 1800 -smp 2 -nographic -no-reboot \
    -kernel "$(find "$work/kernel" -name 'vmlinuz*')" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 rdinit=/init" < /dev/null > "$work/output" 2>&1 &
guest=$!
# Some machines offer KVM and cannot run a guest with it.
tries=0
until grep -aqs 'the guest is up' "$work/output"; do
    tries=$((tries + 1))
    if [ "$tries" -gt "${RBUILD_TEST_PATIENCE:-40}" ] || ! kill -0 "$guest" 2>/dev/null; then
        kill "$guest" 2>/dev/null || true
        echo 'the guest does not start' >&2
        exit 3
    fi
    sleep 1
done
wait "$guest" || true
cat "$work/output"
grep -aq 'test result: ok' "$work/output"
