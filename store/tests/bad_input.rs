//! Input that nobody wrote: changed layers, layer indexes, documents and archives of images. The properties are those
//! of `fuzz/`.

#[path = "../../fuzz/properties/archive.rs"]
mod archive;
#[path = "../../fuzz/properties/cases.rs"]
mod cases;
#[path = "../../fuzz/properties/documents.rs"]
mod documents;
#[path = "../../fuzz/properties/layer.rs"]
mod layer;
#[path = "../../fuzz/properties/layer_index.rs"]
mod layer_index;

#[test]
fn changed_layers_have_one_index_or_none() {
    cases::check("layer", "ignore", Vec::new(), 1_000, |bytes| {
        let mut bytes = bytes.to_vec();
        layer::check(&bytes);
        layer::mend(&mut bytes);
        layer::check(&bytes);
    });
}

#[test]
fn changed_layer_indexes_are_read_or_refused() {
    cases::check("layer_index", "ignore", Vec::new(), 3_000, layer_index::check);
}

#[test]
fn changed_documents_keep_what_they_say() {
    cases::check("documents", "documents", Vec::new(), 3_000, documents::check);
}

#[test]
fn changed_archives_come_in_whole_or_not_at_all() {
    cases::check("archive", "documents", Vec::new(), 100, archive::check);
}
