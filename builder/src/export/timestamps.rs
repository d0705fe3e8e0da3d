//! `rewrite-timestamp=true`: no file of the image is newer than SOURCE_DATE_EPOCH.

use store::layer::{Entry, LayerWriter};
use store::tree::{Tree, TreeLayer};
use store::{Descriptor, DiffId, Image, Manifest, Store, media_type};

use super::ExportError;

/// The image with layers whose times are at most `epoch`. Layers without later times stay as they
/// are.
pub(super) fn rewrite(store: &Store, image: &Image, epoch: i64) -> Result<Image, ExportError> {
    let mut config = image.config.clone();
    let mut layers = Vec::new();
    config.rootfs.diff_ids.clear();
    for (layer, content) in image.layers().iter().zip(store.tree(image)?.layers()) {
        if content.index.iter().all(|entry| entry.mtime <= epoch) {
            config.rootfs.diff_ids.push(layer.diff_id);
            layers.push(layer.descriptor.clone());
            continue;
        }
        let descriptor = rewrite_layer(store, content, epoch)?;
        config.rootfs.diff_ids.push(DiffId(descriptor.digest));
        layers.push(descriptor);
    }
    let config_bytes = config.to_bytes();
    store.put_bytes(&config_bytes)?;
    let config_descriptor = Descriptor::of(image.manifest.config.media_type.clone(), &config_bytes);
    let manifest = Manifest { config: config_descriptor, layers, ..image.manifest.clone() };
    let bytes = manifest.to_bytes();
    store.put_bytes(&bytes)?;
    let mut descriptor = Descriptor::of(image.descriptor.media_type.clone(), &bytes);
    descriptor.platform = Some(image.platform());
    Ok(Image { descriptor, manifest, config, reference: image.reference.clone() })
}

fn rewrite_layer(store: &Store, layer: &TreeLayer, epoch: i64) -> Result<Descriptor, ExportError> {
    let files = Tree::new(vec![layer.clone()]);
    let mut archive = LayerWriter::new(store.blob_writer()?);
    for entry in layer.index.iter() {
        let clamped = Entry { mtime: entry.mtime.min(epoch), ..entry.clone() };
        if entry.is_file() {
            let mut content = files.open(entry.as_path())?;
            archive.append(&clamped, Some(&mut *content))?;
        } else {
            archive.append(&clamped, None)?;
        }
    }
    let (blob, _index) = archive.finish()?;
    let info = blob.finish()?;
    Ok(Descriptor::new(media_type::LAYER_TAR, info.digest, info.size))
}
