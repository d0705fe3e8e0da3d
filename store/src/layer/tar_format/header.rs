//! One 512-byte header block.

use super::pax::Records;
use super::{BLOCK, Problem};

/// Type flags of POSIX and GNU tar.
pub(crate) mod flag {
    pub(crate) const OLD_FILE: u8 = 0;
    pub(crate) const FILE: u8 = b'0';
    pub(crate) const HARDLINK: u8 = b'1';
    pub(crate) const SYMLINK: u8 = b'2';
    pub(crate) const CHAR_DEVICE: u8 = b'3';
    pub(crate) const BLOCK_DEVICE: u8 = b'4';
    pub(crate) const DIR: u8 = b'5';
    pub(crate) const FIFO: u8 = b'6';
    pub(crate) const CONTIGUOUS: u8 = b'7';
    pub(crate) const PAX_GLOBAL: u8 = b'g';
    pub(crate) const PAX: u8 = b'x';
    pub(crate) const GNU_LONG_NAME: u8 = b'L';
    pub(crate) const GNU_LONG_LINK: u8 = b'K';
    pub(crate) const GNU_SPARSE: u8 = b'S';
}

/// Largest values of 7 and 11 octal digits.
const MAX_7: u64 = 0o7_777_777;
const MAX_11: u64 = 0o77_777_777_777;

/// A header as read; the accessors parse.
pub(crate) struct RawHeader<'a>(pub(crate) &'a [u8; BLOCK]);

impl RawHeader<'_> {
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }

    pub(crate) fn checksum_fits(&self) -> bool {
        let Ok(stored) = number(&self.0[148..156]) else { return false };
        let fields = || self.0[..148].iter().chain(&[b' '; 8]).chain(&self.0[156..]);
        let unsigned: i64 = fields().map(|&byte| i64::from(byte)).sum();
        // Some historic tars summed signed characters.
        let signed: i64 = fields().map(|&byte| i64::from(byte.cast_signed())).sum();
        stored == unsigned || stored == signed
    }

    pub(crate) fn type_flag(&self) -> u8 {
        self.0[156]
    }

    pub(crate) fn is_gnu(&self) -> bool {
        &self.0[257..265] == b"ustar  \0"
    }

    fn is_posix(&self) -> bool {
        &self.0[257..263] == b"ustar\0"
    }

    pub(crate) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = if self.is_posix() { text(&self.0[345..500]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(crate) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(crate) fn mode(&self) -> Result<i64, Problem> {
        number(&self.0[100..108]).map_err(|text| format!("has a damaged mode `{text}`"))
    }

    pub(crate) fn uid(&self) -> Result<i64, Problem> {
        number(&self.0[108..116]).map_err(|text| format!("has a damaged owner `{text}`"))
    }

    pub(crate) fn gid(&self) -> Result<i64, Problem> {
        number(&self.0[116..124]).map_err(|text| format!("has a damaged group `{text}`"))
    }

    pub(crate) fn size(&self) -> Result<i64, Problem> {
        number(&self.0[124..136]).map_err(|text| format!("has a damaged size `{text}`"))
    }

    pub(crate) fn mtime(&self) -> Result<i64, Problem> {
        number(&self.0[136..148]).map_err(|text| format!("has a damaged time `{text}`"))
    }

    /// Major and minor number of a device.
    pub(crate) fn device(&self) -> Result<(i64, i64), Problem> {
        let part =
            |field| number(field).map_err(|text| format!("has a damaged device number `{text}`"));
        Ok((part(&self.0[329..337])?, part(&self.0[337..345])?))
    }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits, or GNU's base-256 form (first bit set, two's complement). Blank is zero.
pub(crate) fn number(field: &[u8]) -> Result<i64, String> {
    let shown = || field.escape_ascii().to_string();
    if field[0] & 0x80 != 0 {
        return base_256(field).ok_or_else(shown);
    }
    let digits = std::str::from_utf8(text(field)).map_err(|_| shown())?.trim();
    if digits.is_empty() {
        return Ok(0);
    }
    let octal = digits.bytes().all(|byte| byte.is_ascii_digit());
    octal.then(|| i64::from_str_radix(digits, 8).ok()).flatten().ok_or_else(shown)
}

fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start: i128 = if negative { -1 } else { 0 };
    let bytes = std::iter::once(first).chain(field[1..].iter().copied());
    let value = bytes.fold(start, |value, byte| value.wrapping_shl(8) | i128::from(byte));
    i64::try_from(value).ok()
}

/// What an entry's header says, before it is squeezed into fields.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) link: &'a [u8],
    pub(crate) type_flag: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) device: (u32, u32),
}

impl Fields<'_> {
    /// The POSIX header, and the PAX records for what does not fit into it.
    pub(crate) fn encode(&self) -> ([u8; BLOCK], Records) {
        let mut block = [0; BLOCK];
        let mut records = Records::default();
        match split_path(self.path) {
            Some((prefix, name)) => {
                put(&mut block[..100], name);
                put(&mut block[345..500], prefix);
            }
            None => {
                put(&mut block[..100], self.path);
                records.push(b"path", self.path);
            }
        }
        put(&mut block[157..257], self.link);
        if self.link.len() > 100 {
            records.push(b"linkpath", self.link);
        }
        octal(&mut block[100..108], u64::from(self.mode));
        let mut fit = |field: std::ops::Range<usize>, key: &[u8], value: i64, max: u64| {
            let fits = u64::try_from(value).ok().filter(|&value| value <= max);
            octal(&mut block[field], fits.unwrap_or(0));
            if fits.is_none() {
                records.push(key, value.to_string().as_bytes());
            }
        };
        fit(108..116, b"uid", i64::from(self.uid), MAX_7);
        fit(116..124, b"gid", i64::from(self.gid), MAX_7);
        fit(124..136, b"size", self.size.cast_signed(), MAX_11);
        fit(136..148, b"mtime", self.mtime, MAX_11);
        block[156] = self.type_flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut block[329..337], u64::from(self.device.0));
        octal(&mut block[337..345], u64::from(self.device.1));
        seal(&mut block);
        (block, records)
    }
}

/// The header of the PAX records that precede an entry.
pub(crate) fn pax_header(path: &[u8], size: usize) -> [u8; BLOCK] {
    let base = path.strip_suffix(b"/").unwrap_or(path);
    let base = base.rsplit(|&byte| byte == b'/').next().unwrap_or(b"");
    let name = [b"PaxHeaders.0/", &base[..base.len().min(80)]].concat();
    let fields = Fields {
        path: &name,
        link: b"",
        type_flag: flag::PAX,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: size as u64,
        mtime: 0,
        device: (0, 0),
    };
    fields.encode().0
}

/// Where a path can be cut into the header's prefix (155) and name (100) fields.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    if path.len() > 256 {
        return None;
    }
    // The name may not be empty, so a directory's trailing slash is no place to cut.
    let last = path.len().min(157) - 1;
    let cut = path[..last.min(path.len() - 1)].iter().rposition(|&byte| byte == b'/')?;
    let (prefix, name) = (&path[..cut], &path[cut + 1..]);
    (!prefix.is_empty() && prefix.len() <= 155 && name.len() <= 100).then_some((prefix, name))
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Leading zeros and a closing NUL.
fn octal(field: &mut [u8], value: u64) {
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    put(field, digits.as_bytes());
}

fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_octal_blank_and_base_256() {
        assert_eq!(number(b"0000644\0"), Ok(0o644));
        assert_eq!(number(b"   644 \0"), Ok(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Ok(0));
        assert_eq!(number(b"\x80\0\0\0\0\x20\0\0"), Ok(0x20_0000));
        assert_eq!(number(&[0xff; 12]), Ok(-1));
        assert_eq!(number(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), Err(shown_overflow()));
        assert!(number(b"+000644\0").is_err());
        assert!(number(b"00089").is_err());
    }

    fn shown_overflow() -> String {
        b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff".escape_ascii().to_string()
    }

    #[test]
    fn cuts_long_paths_only_where_both_parts_fit() {
        let long = [vec![b'a'; 100], b"/".to_vec(), vec![b'b'; 100]].concat();
        assert_eq!(split_path(&long).map(|(p, n)| (p.len(), n.len())), Some((100, 100)));
        assert_eq!(split_path(&[b'a'; 101]), None);
        let name = [b"x/".to_vec(), vec![b'b'; 101]].concat();
        assert_eq!(split_path(&name), None);
        let dir = [vec![b'a'; 100], b"/".to_vec()].concat();
        assert_eq!(split_path(&dir), None);
    }
}
