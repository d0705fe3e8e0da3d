//! Leases: what must not be collected although no image names it (yet).
//!
//! Two kinds of files in `leases/`, both with a line for each thing held (`blob <hex>`, `snapshot <id>`):
//!
//! - A *session* belongs to a [`Store`](crate::Store) handle that has written or used something. It is named
//!   after its owner (pid, start time, boot, a random number) and locked with `flock` as long as the owner
//!   lives, in whichever pid namespace; whoever can lock it knows that the owner is dead. The same name
//!   starts the names of the owner's files in `temp/`.
//! - A *named lease* (`keep.<name>`) outlives its maker: a container's. Its existence is the claim.
//!
//! Everything the store makes or finds for a caller is written into the session first and made visible, or
//! checked for existence, afterwards; garbage collection looks at what exists first and reads the leases
//! afterwards (`gc`). So nothing can vanish between being found and being used.
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::digest::Digest;
use crate::error::{Result, StoreError, io_error};
use crate::open::{remove_any, sync_parent, write_durably};
use crate::snapshot::SnapshotId;

/// Something a lease protects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    Blob(Digest),
    Snapshot(SnapshotId),
}

/// What a living process holds.
#[derive(Debug)]
pub(crate) struct Session {
    owner: String,
    path: PathBuf,
    /// The directory for the owner's unfinished things.
    temp: PathBuf,
    file: File,
    /// What is written in the file, and whether it was seen to exist afterwards.
    held: Mutex<HashMap<Held, bool>>,
    temps: AtomicU64,
}

const NAMED: &str = "keep.";
const UNFINISHED: &str = "new.";

impl Session {
    pub(crate) fn begin(leases: &Path, temp: &Path) -> Result<Session> {
        let unfinished = leases.join(format!("{UNFINISHED}{}", owner_name()));
        let session = Session::create(leases, temp, &unfinished);
        if session.is_err() {
            // What is told is why there is no session. The next to open the store tries again.
            let _ = fs::remove_file(&unfinished);
        }
        session
    }

    fn create(leases: &Path, temp: &Path, unfinished: &Path) -> Result<Session> {
        let name = unfinished.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(UNFINISHED).unwrap_or(&name).to_owned();
        let (path, temp) = (leases.join(&owner), temp.to_owned());
        // Whoever cleans up may lock and remove the file before we have locked it: then once more.
        for _ in 0..100 {
            let file = OpenOptions::new().create(true).append(true).open(unfinished);
            let file = file.map_err(io_error("create the lease", unfinished))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => continue,
                Err(fs::TryLockError::Error(error)) => {
                    return Err(io_error("lock the lease", unfinished)(error));
                }
            }
            match fs::rename(unfinished, &path) {
                Ok(()) => {
                    let (held, temps) = (Mutex::default(), AtomicU64::new(0));
                    return Ok(Session { owner, path, temp, file, held, temps });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("create the lease", &path)(error)),
            }
        }
        let raced = io::Error::other("another process removes it again and again");
        Err(io_error("create the lease", &path)(raced))
    }

    /// Writes down that `held` is in use. Says nothing about whether it exists.
    pub(crate) fn hold(&self, held: Held) -> Result<()> {
        let mut known = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if known.contains_key(&held) {
            return Ok(());
        }
        let line = line_of(&held);
        (&self.file).write_all(line.as_bytes()).map_err(io_error("write the lease", &self.path))?;
        known.insert(held, false);
        Ok(())
    }

    /// Whether `held` was seen to exist after it was written down: then it cannot have been collected.
    pub(crate) fn is_confirmed(&self, held: &Held) -> bool {
        let known = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(held).copied().unwrap_or(false)
    }

    /// To be called when `held` was seen to exist, by someone who has the `sweep` lock.
    pub(crate) fn confirm(&self, held: Held) {
        let mut known = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.insert(held, true);
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// A name in `temp/` that is this session's alone.
    pub(crate) fn temp_name(&self) -> String {
        format!("{}.{}", self.owner, self.temps.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whatever failed half-way, in one place. As with the lease itself: if this fails, the next to open the
        // store finds the lock released and removes the rest.
        for name in names_in(&self.temp).unwrap_or_default() {
            if owner_of_temp(&name) == self.owner {
                let _ = remove_any(&self.temp.join(name));
            }
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Creates or replaces the named lease. `name` is the caller's: a container's ID, say.
pub(crate) fn keep(leases: &Path, temp: &Path, name: &str, held: &[Held]) -> Result<()> {
    let path = named_path(leases, name)?;
    let text: String = held.iter().map(line_of).collect();
    write_durably(temp, text.as_bytes())?;
    fs::rename(temp, &path).map_err(io_error("create the lease", &path))?;
    sync_parent(&path)
}

/// The same without waiting for the disk.
pub(crate) fn keep_until_reboot(
    leases: &Path,
    temp: &Path,
    name: &str,
    held: &[Held],
) -> Result<()> {
    let path = named_path(leases, name)?;
    let text: String = held.iter().map(line_of).collect();
    fs::write(temp, text).map_err(io_error("write", temp))?;
    fs::rename(temp, &path).map_err(io_error("create the lease", &path))
}

/// Ends the named lease, if there is one.
pub(crate) fn release(leases: &Path, name: &str) -> Result<()> {
    let path = named_path(leases, name)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove the lease", &path)(error))
        }
        _ => Ok(()),
    }
}

/// The named leases with what they hold.
pub(crate) fn named(leases: &Path) -> Result<Vec<(String, Vec<Held>)>> {
    let held = |name: String| of_name(leases, &name).map(|held| (name, held));
    kept_names(leases)?.into_iter().map(held).collect()
}

pub(crate) fn kept_names(leases: &Path) -> Result<Vec<String>> {
    let names = names_in(leases)?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(NAMED)).map(str::to_owned).collect())
}

/// What one named lease holds.
pub(crate) fn of_name(leases: &Path, name: &str) -> Result<Vec<Held>> {
    read(&named_path(leases, name)?, name)
}

/// What the lines that can be read say.
pub(crate) fn readable_lines(leases: &Path, name: &str) -> Result<Vec<Held>> {
    let path = named_path(leases, name)?;
    let bytes = fs::read(&path).map_err(io_error("read the lease", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|line| parse_line(name, line).ok()).collect())
}

/// Everything any living owner, other than `except`, or named lease holds.
pub(crate) fn all_held(leases: &Path, except: Option<&str>) -> Result<HashSet<Held>> {
    let mut all = HashSet::new();
    for name in names_in(leases)? {
        let path = leases.join(&name);
        if except == Some(name.as_str()) {
            continue;
        }
        if name.starts_with(NAMED) || is_alive(&path)? {
            all.extend(read(&path, &name)?);
        }
    }
    Ok(all)
}

/// The owners that live. Session files of dead ones are removed.
pub(crate) fn living_owners(leases: &Path) -> Result<HashSet<String>> {
    let mut living = HashSet::new();
    for name in names_in(leases)? {
        let path = leases.join(&name);
        if name.starts_with(NAMED) {
            continue;
        }
        if is_alive(&path)? {
            living.insert(name.strip_prefix(UNFINISHED).unwrap_or(&name).to_owned());
        } else {
            remove_dead(&path)?;
        }
    }
    Ok(living)
}

/// The session that owns a name in `temp/`.
pub(crate) fn owner_of_temp(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whether this one of [`living_owners`] is there.
pub(crate) fn owner_lives(leases: &Path, owner: &str) -> bool {
    let unfinished = format!("{UNFINISHED}{owner}");
    // First the name that it begins with: in between, it has either.
    [unfinished.as_str(), owner].iter().any(|name| is_alive(&leases.join(name)).unwrap_or(false))
}

/// A session is alive as long as its owner holds the lock. A file that is gone was a dead one's.
fn is_alive(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("open the lease", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(io_error("lock the lease", path)(error)),
    }
}

fn remove_dead(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove the lease", path)(error))
        }
        _ => Ok(()),
    }
}

fn read(path: &Path, name: &str) -> Result<Vec<Held>> {
    let text = match fs::read(path) {
        // Bytes that are no text make a line that is none.
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read the lease", path)(error)),
    };
    // A last line without its end is still being written; its writer has not looked for the thing yet.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(|line| parse_line(name, line)).collect()
}

fn parse_line(name: &str, line: &str) -> Result<Held> {
    let held = match line.split_once(' ') {
        Some(("blob", hex)) => Digest::from_hex(hex).ok().map(Held::Blob),
        Some(("snapshot", id)) => SnapshotId::parse(id).map(Held::Snapshot),
        _ => None,
    };
    held.ok_or_else(|| StoreError::Lease { name: name.to_owned(), line: line.to_owned() })
}

fn line_of(held: &Held) -> String {
    match held {
        Held::Blob(digest) => format!("blob {}\n", digest.hex()),
        Held::Snapshot(id) => format!("snapshot {id}\n"),
    }
}

fn named_path(leases: &Path, name: &str) -> Result<PathBuf> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 128 || !name.chars().all(good) {
        return Err(StoreError::LeaseName { text: name.to_owned() });
    }
    Ok(leases.join(format!("{NAMED}{name}")))
}

fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(io_error("list", dir))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("list", dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn owner_name() -> String {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may contain anything; the start time is the 20th field after it.
    let after_name = stat.rfind(')').map_or("", |end| &stat[end + 1..]);
    let start = after_name.split_whitespace().nth(19).unwrap_or("0");
    format!("{}-{start}-{}-{:08x}", std::process::id(), boot_id(), random() as u32)
}

/// Eight digits that differ from one boot of the machine to the next.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let short: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
        if short.len() == 8 { short } else { "00000000".to_owned() }
    })
}

/// Random enough for names: the standard library's hash keys, which the kernel's generator seeds.
pub(crate) fn random() -> u64 {
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    hasher.write_u128(now.map_or(0, |now| now.as_nanos()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_alive_until_dropped_and_its_lease_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let temps = tempfile::tempdir().unwrap();
        let session = Session::begin(dir.path(), temps.path()).unwrap();
        let held = [
            Held::Blob(Digest::of(b"x")),
            Held::Snapshot(SnapshotId::random(crate::SnapshotForm::Copy)),
        ];
        for _ in 0..2 {
            held.iter().for_each(|held| session.hold(held.clone()).unwrap());
        }
        assert_eq!(all_held(dir.path(), None).unwrap(), held.iter().cloned().collect());
        let temp = session.temp_name();
        assert!(living_owners(dir.path()).unwrap().contains(owner_of_temp(&temp)));
        fs::write(temps.path().join(&temp), "half").unwrap();
        fs::write(temps.path().join("1-2-abcdabcd-00000000.0"), "another's").unwrap();
        drop(session);
        assert_eq!(names_in(temps.path()).unwrap(), ["1-2-abcdabcd-00000000.0"]);
        assert!(living_owners(dir.path()).unwrap().is_empty());
        assert!(names_in(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn the_file_of_a_dead_owner_holds_nothing_and_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let line = line_of(&Held::Blob(Digest::of(b"x")));
        fs::write(dir.path().join("1-2-abcdabcd-00000000"), line).unwrap();
        assert!(all_held(dir.path(), None).unwrap().is_empty());
        living_owners(dir.path()).unwrap();
        assert!(names_in(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn named_leases_stay_until_released() {
        let dir = tempfile::tempdir().unwrap();
        let held = [Held::Blob(Digest::of(b"x"))];
        keep(dir.path(), &dir.path().join("t"), "c1", &held).unwrap();
        living_owners(dir.path()).unwrap();
        assert_eq!(named(dir.path()).unwrap(), [("c1".to_owned(), held.to_vec())]);
        assert!(keep(dir.path(), &dir.path().join("t"), "../x", &held).is_err());
        release(dir.path(), "c1").unwrap();
        release(dir.path(), "c1").unwrap();
        assert!(all_held(dir.path(), None).unwrap().is_empty());
    }
}
