#!/usr/bin/env python3
"""Takes away one protection of containers at a time and shows which test notices.

usage: scripts/mutations.py [--check] [NAME]...

Works on a copy of the sources, in target/mutations. `--check` compiles nothing: it only looks whether every protection
still stands where this file says, which the tests do too. Needs root, as the tests of containers do.
"""
import argparse
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COPY = os.path.join(ROOT, "target", "mutations")
PROCESS = "runtime/src/process/"
# Where a test is, unless it is a case of runtime/tests/containers.
WHERE = {
    "cve_2025_52881_nothing_is_written_by_way_of_a_link": ["-p", "runtime", "--lib"],
    "cve_2024_23651_sources_stay_inside": ["-p", "builder", "--test", "run"],
    "tar_slip_links_of_an_archive_stay_inside": ["-p", "store", "--test", "layer"],
    "cve_2014_8989_groups_are_those_of_the_user": ["-p", "rbuild", "--test", "main"],
    "cp_into_a_running_container_stays_inside": ["-p", "rbuild", "--test", "main"],
}
BENEATH = [("sys/src/root_dir/place.rs", "let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;",
            "let resolve = ResolveFlags::NO_MAGICLINKS;")]

# The test that is to fail; what is taken away; in which file what becomes what.
MUTATIONS = [
    ("cve_2019_5736_proc_self_exe", "programs are executed by the engine itself, not by the launcher",
     [(PROCESS + "program.rs", "fcntl_setfd(launch.status, FdFlags::empty())", "fcntl_setfd(launch.status, FdFlags::CLOEXEC)"),
      (PROCESS + "program.rs", 'execveat(launch.launcher, c"", &arguments, environment, NixAtFlags::AT_EMPTY_PATH)',
       "execveat(rustix::fs::CWD, &arguments[2].clone(), &arguments[3..], environment, NixAtFlags::empty())")]),
    ("cve_2019_5736_the_init_cannot_be_written", "the launcher's file is not sealed",
     [("runtime/src/zygote/launcher.rs", "    fcntl_add_seals(&memfd, seals)?;", "    let _ = (seals, fcntl_add_seals::<OwnedFd>);")]),
    ("cve_2024_21626_leaked_descriptors", "descriptors stay open, in the zygote and in the container",
     [("runtime/src/zygote/child.rs", 'close_all_except(&[socket, owner.lock.as_fd()]).step("close descriptors")?;',
       "let _ = close_all_except;"),
      (PROCESS + "program.rs", "sys::clone::close_others_on_exec(launch.first_own()).step(step)?;", "")]),
    ("cve_2024_21626_working_directories", "nobody looks where the working directory is, before or after",
     [(PROCESS + "mod.rs", "    root.create_dir_all(&spec.cwd, 0o755).step(format!(\"create `{}`\", spec.cwd.display()))?;\n", ""),
      (PROCESS + "mod.rs", 'if current.to_bytes().starts_with(b"/") {', "if !current.to_bytes().is_empty() {")]),
    ("cve_2025_31133_masks_by_another_null", "whatever is at /dev/null covers files",
     [(PROCESS + "masks.rs", "if is_device && found.st_rdev == makedev(1, 3) {", "if is_device || found.st_rdev != makedev(1, 3) {")]),
    ("cve_2025_31133_the_images_null", "the container's /dev is the image's",
     [(PROCESS + "base_mounts.rs", 'let dev = mount(root, "tmpfs", "dev", &settings, NOSUID | libc::MOUNT_ATTR_STRICTATIME)?;',
       'let dev = { let _ = &settings; root.create_dir_all("dev", 0o755).step("make /dev")?; root.subdir("dev").step("open /dev")?.as_fd().try_clone_to_owned().step("keep /dev")? };')]),
    ("cve_2025_31133_directories_exchanged_while_masking", "what is to be masked is looked for where /proc should be",
     [(PROCESS + "masks.rs", "    pub(super) fn new(\n        root: &'a RootDir,\n        own: [(&'static str, Option<&OwnedFd>); 2],\n",
       "    pub(super) fn new(\n        root: &'a RootDir,\n        _own: [(&'static str, Option<&OwnedFd>); 2],\n"),
      (PROCESS + "masks.rs", "        for (name, mount) in own {", '        for (name, mount) in [("none", None::<&OwnedFd>)] {')]),
    ("cve_2025_52565_console", "the container's /dev is the image's",
     [(PROCESS + "base_mounts.rs", 'let dev = mount(root, "tmpfs", "dev", &settings, NOSUID | libc::MOUNT_ATTR_STRICTATIME)?;',
       'let dev = { let _ = &settings; root.create_dir_all("dev", 0o755).step("make /dev")?; root.subdir("dev").step("open /dev")?.as_fd().try_clone_to_owned().step("keep /dev")? };')]),
    ("cve_2025_52881_sysctls_are_the_containers", "names of settings may go up",
     [("runtime/src/spec/sysctl.rs", "any(str::is_empty)", "any(|part| part.contains(' '))")]),
    ("cve_2025_52881_nothing_is_written_by_way_of_a_link", "links and mounts below /proc/sys are followed",
     [(PROCESS + "sysctls.rs", "Mode::empty(), RESOLVE)?;", "Mode::empty(), ResolveFlags::empty())?;")]),
    ("cve_2021_30465_targets_swapped_for_links", "links lead out of the root", BENEATH),
    ("cve_2024_23651_sources_stay_inside", "links lead out of the root", BENEATH),
    # Links of an archive are followed in its index, so none is left for the kernel to follow.
    ("tar_slip_links_of_an_archive_stay_inside", "links of an archive are followed by the kernel, and lead out of the root",
     BENEATH + [("store/src/layer/collect.rs", "resolve_with(path, true, |path| self.read_link(path))",
                 "resolve_with(path, true, |path| self.read_link(path).filter(|_| false))"),
                ("store/src/layer/collect.rs", "if self.own(dir).is_some_and(|entry| !entry.is_dir()) {",
                 "if self.own(dir).is_some_and(|entry| !entry.is_dir()) && path.is_empty() {")]),
    ("cp_into_a_running_container_stays_inside", "links lead out of the root", BENEATH),
    ("cve_2014_8989_groups_are_those_of_the_user", "the groups of whoever starts it are kept",
     [(PROCESS + "privileges.rs", "thread::set_thread_groups(&groups).map_err(failed)?;", "let _ = (groups, thread::set_thread_groups);"),
      ("runtime/src/user_namespace.rs", "    thread::set_thread_groups(&[]).step(step)?;\n", "")]),
    ("cve_2019_19921_mounts_over_proc", "mounts over /proc are made",
     [(PROCESS + "stubs.rs", "if kind == PROC_SUPER_MAGIC {", "if kind == PROC_SUPER_MAGIC && is_dir && path.as_os_str().is_empty() {")]),
    ("cve_2026_41579_links_for_base_mounts", "links of the image are followed to where /dev, /proc and /sys go",
     [(PROCESS + "base_mounts.rs", "let place = root.subdir_nofollow(target).step(step())?;\n    let mounted",
       "let place = root.subdir(target).step(step())?;\n    let mounted")]),
    ("cve_2026_30892_numbers_of_users", "numbers of users beyond 31 bits are taken",
     [("runtime/src/user.rs", "Ok(id) if id <= i32::MAX as u32 =>", "Ok(id) if i64::from(id) <= i64::MAX =>")]),
    ("cve_2022_27650_inheritable_capabilities", "capabilities are inheritable",
     [(PROCESS + "privileges.rs", "inheritable: ambient }", "inheritable: kept }")]),
    ("cve_2022_0492_release_agents", "cgroups are mounted writable",
     [(PROCESS + "base_mounts.rs", "let read_only = if launch.spec.writable_cgroups { 0 } else { read_only(launch) };",
       "let read_only = 0 * read_only(launch);"),
      (PROCESS + "base_mounts.rs", "    change_mount(base.as_fd(), read_only).step(step)", "    change_mount(base.as_fd(), MountChange { set: 0 * read_only.set, ..MountChange::default() }).step(step)")]),
    ("cve_2020_15257_abstract_sockets", "the container has the host's network namespace",
     [(PROCESS + "mod.rs", "NetworkMode::None => flags | libc::CLONE_NEWNET,", "NetworkMode::None => flags,")]),
    ("session_keyrings", "the caller's session keyring is kept",
     [(PROCESS + "mod.rs", "    privileges::leave_keyring()?;\n", "    let _ = privileges::leave_keyring;\n")]),
    ("signals_to_the_engine", "the container has the engine's PID namespace",
     [(PROCESS + "mod.rs", "| own(&spec.namespaces.pid, libc::CLONE_NEWPID)", "| (0 * own(&spec.namespaces.pid, libc::CLONE_NEWPID))")]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compile nothing")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    missing = [f"{test}: {file} has {text!r} {found} times" for test, _, changes in MUTATIONS
               for file, text, _ in changes if (found := read(ROOT, file).count(text)) != 1]
    if missing:
        sys.exit("error: protections are not where they were:\n" + "\n".join(missing))
    if options.check:
        return
    copy_sources()
    survived = []
    for test, what, changes in MUTATIONS:
        if options.names and test not in options.names:
            continue
        noticed = fails(test, changes)
        print(f"{test}: {what}: {'the test fails' if noticed else 'NOTHING NOTICES'}", flush=True)
        if not noticed:
            survived.append(test)
    sys.exit(1 if survived else 0)


def read(root, file):
    with open(os.path.join(root, file), encoding="utf-8") as source:
        return source.read()


def write(file, text):
    with open(os.path.join(COPY, file), "w", encoding="utf-8") as source:
        source.write(text)


def copy_sources():
    os.makedirs(COPY, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for file in files.decode().split("\0"):
        # Links and what was deleted are no sources.
        if os.path.isfile(os.path.join(ROOT, file)):
            os.makedirs(os.path.dirname(os.path.join(COPY, file)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, file), os.path.join(COPY, file))


def fails(test, changes):
    """Whether the test fails with these changes; what does not compile is no answer."""
    before = {file: read(COPY, file) for file, _, _ in changes}
    try:
        for file, text, instead in changes:
            write(file, read(COPY, file).replace(text, instead))
        command = ["cargo", "test", "-q"] + WHERE.get(test, ["-p", "runtime", "--test", "containers"])
        build = subprocess.run(command + ["--no-run"], cwd=COPY, capture_output=True, text=True)
        if build.returncode != 0:
            sys.exit(f"error: {test}: this does not compile:\n{build.stderr}")
        return subprocess.run(command + [test], cwd=COPY, capture_output=True).returncode != 0
    finally:
        for file, text in before.items():
            write(file, text)


if __name__ == "__main__":
    main()
