#!/bin/sh
# Runs runtime/tests/containers in a QEMU guest with another kernel and cgroup v2 alone.
#
# usage: runtime/tests/guest.sh KERNEL_PACKAGE.deb      (apt-get download linux-image-6.1.0-…-cloud-amd64)
# needs: qemu-system-x86, cpio or busybox, busybox-static, cargo. Emulated (no /dev/kvm needed): about a minute.
set -eu
package=$(realpath "$1")
cd "$(dirname "$0")/../.."
program=$(cargo test -p runtime --test containers --no-run --message-format=short 2>&1 |
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
mkdir -p /new && mount -t tmpfs -o size=1500m tmpfs /new
cp -a /bin /etc /lib /lib64 /usr /root /tests /overlay.ko /init2 /new/
mkdir -p /new/proc /new/sys /new/dev /new/tmp
exec switch_root /new /init2
END
cat > "$root/init2" <<'END'
#!/bin/sh
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
timeout 300 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 3000 -smp 2 -nographic -no-reboot \
    -kernel "$(find "$work/kernel" -name 'vmlinuz*')" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 rdinit=/init" < /dev/null | tee "$work/output"
grep -q 'test result: ok' "$work/output"
