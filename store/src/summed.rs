//! Lists of records of one length, with the sum of all that is before it at the end: damaged or cut off, a list counts as
//! none.

use crate::layer::ContentDigest;

const SUM: usize = 32;

pub(crate) fn encode<const LENGTH: usize>(
    magic: &[u8],
    records: impl ExactSizeIterator<Item = [u8; LENGTH]>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(magic.len() + records.len() * LENGTH + SUM);
    bytes.extend(magic);
    records.for_each(|record| bytes.extend(record));
    let sum = *ContentDigest::of(&bytes).as_bytes();
    bytes.extend(sum);
    bytes
}

pub(crate) fn decode<'a, const LENGTH: usize>(
    magic: &[u8],
    bytes: &'a [u8],
) -> Option<&'a [[u8; LENGTH]]> {
    let (body, sum) = bytes.split_last_chunk::<SUM>()?;
    if ContentDigest::of(body).as_bytes() != sum {
        return None;
    }
    match body.strip_prefix(magic)?.as_chunks() {
        (records, []) => Some(records),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_and_a_damaged_one_does_not() {
        let bytes = encode(b"list", [[1, 2, 3], [4, 5, 6]].into_iter());
        assert_eq!(decode(b"list", &bytes), Some(&[[1, 2, 3], [4, 5, 6]][..]));
        assert_eq!(decode::<3>(b"tsil", &bytes), None);
        assert_eq!(decode::<4>(b"list", &bytes), None);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert_eq!(decode::<3>(b"list", &damaged), None);
            assert_eq!(decode::<3>(b"list", &bytes[..position]), None);
        }
    }
}
