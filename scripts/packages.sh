# Sourced: `need PROGRAM PACKAGE` installs a Debian package when its program is absent.
apt_updated=

need() {
    local program=$1 package=$2
    if command -v "$program" >/dev/null 2>&1; then
        return
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: \`$program\` is missing; install it (Debian's package is \`$package\`)" >&2
        exit 1
    fi
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if [ -z "$apt_updated" ]; then
        "${as_root[@]}" apt-get update -q </dev/null
        apt_updated=yes
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$package" </dev/null
}

# Rust is not installed for you: distributions are often older than what the workspace asks for.
need_rust() {
    if ! command -v cargo >/dev/null 2>&1; then
        echo "error: \`cargo\` is missing; install Rust 1.89 or later, see https://rustup.rs" >&2
        exit 1
    fi
}

# Debian's kernel for the guest of tests/guest.rs, as a file. Without one that test is skipped.
need_guest_kernel() {
    local directory=target/guest name
    if [ ! -w /dev/kvm ] || ls "$directory"/linux-image-*.deb >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        return
    fi
    name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1 || true)
    mkdir -p "$directory"
    [ -z "$name" ] || (cd "$directory" && apt-get download -q "$name" </dev/null) || true
}
