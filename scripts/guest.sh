# What the scripts that start a QEMU guest share; sourced. Debian's kernel, cgroup v2 alone.
#
# Here: RBUILD_TEST_GUEST=emulated for a machine without KVM (or whose KVM cannot run a guest), RBUILD_TEST_SECONDS for how long
# the guest may take, RBUILD_TEST_PATIENCE for how many seconds its start may take. Emulation takes ten times as long and more.

# guest_kernel PACKAGE.deb DIRECTORY: unpacks it.
guest_kernel() {
    dpkg -x "$1" "$2"
}

# guest_tools ROOT APPLET…: busybox under these names.
guest_tools() {
    root=$1
    shift
    mkdir -p "$root/bin"
    cp /bin/busybox "$root/bin/"
    for applet in "$@"; do
        ln -s busybox "$root/bin/$applet"
    done
}

# guest_libraries PROGRAM ROOT: the libraries that it is linked with, where this machine has them.
guest_libraries() {
    ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
        directory=$2$(realpath "$(dirname "$library")")
        mkdir -p "$directory"
        cp -L "$library" "$directory/"
    done
}

# guest_initrd ROOT FILE
guest_initrd() {
    cpio=$(command -v cpio || echo "busybox cpio")
    (cd "$1" && find . | $cpio -o -H newc 2>/dev/null) | gzip -1 > "$2"
}

# guest_run WORK OPTION…: starts the guest with $WORK/initrd and $WORK/kernel and shows what it has said, once it has ended. Whether
# it could be started at all is known by `the guest is up`, for some machines offer KVM and cannot run a guest with it.
guest_run() {
    work=$1
    shift
    accelerator="-accel tcg,thread=multi -cpu max"
    [ "${RBUILD_TEST_GUEST:-kvm}" = emulated ] || accelerator="-accel kvm -cpu host,-arch-capabilities"
    # shellcheck disable=SC2086 # several words
    timeout "${RBUILD_TEST_SECONDS:-110}" qemu-system-x86_64 $accelerator -smp 2 -nographic -no-reboot "$@" \
        -kernel "$(find "$work/kernel/" -name 'vmlinuz*')" -initrd "$work/initrd" \
        -append "console=ttyS0 quiet panic=-1 rdinit=/init" < /dev/null > "$work/output" 2>&1 &
    guest=$!
    tries=0
    until grep -aqs 'the guest is up' "$work/output"; do
        tries=$((tries + 1))
        if [ "$tries" -gt "${RBUILD_TEST_PATIENCE:-40}" ] || ! kill -0 "$guest" 2>/dev/null; then
            kill "$guest" 2>/dev/null || true
            cat "$work/output" >&2
            echo 'the guest does not start' >&2
            exit 3
        fi
        sleep 1
    done
    wait "$guest" || true
    cat "$work/output"
}

# guest_trial WORK: ends as guest_run does where a guest with nothing in it does not start, before much is made for another one.
guest_trial() {
    (
        trial=$1/trial
        mkdir -p "$trial/root"
        ln -s ../kernel "$trial/kernel"
        guest_tools "$trial/root" sh poweroff
        printf '#!/bin/sh\necho the guest is up\npoweroff -f\n' > "$trial/root/init"
        chmod +x "$trial/root/init"
        guest_initrd "$trial/root" "$trial/initrd"
        guest_run "$trial" -m 512 > "$trial/shown"
    )
}
