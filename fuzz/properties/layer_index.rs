//! Whatever stands in a stored layer index whose checksum fits: it is refused, or read the same twice.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use store::layer::LayerIndex;

pub fn check(bytes: &[u8]) {
    let _ = LayerIndex::from_bytes(bytes);
    let index = match LayerIndex::from_bytes(&sealed(bytes)) {
        Ok(index) => index,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = LayerIndex::from_bytes(&index.to_bytes()).expect("what was written is read");
    assert_eq!(again, index);
    // Bytes that nobody writes may say the same in another way.
    assert_eq!(
        LayerIndex::new(index.iter().collect()).into_entries(),
        index.clone().into_entries()
    );
    for entry in &index {
        assert_eq!(index.get(&entry.path).as_ref(), Some(&entry));
    }
    let _ = (index.get(b"a"), index.below(b"a").count(), index.children(b"").count());
}

/// With the magic before and the checksum behind.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut whole = [b"rbindex1", bytes].concat();
    let hash = blake3::hash(&whole);
    whole.extend_from_slice(hash.as_bytes());
    whole
}
