//! What happens to images, noted for `events`, in docker's words.

use std::collections::BTreeMap;

use runtime::events::Event;
use store::{Digest, Reference, Removed, Store};

/// That it was pulled or pushed: it is known by its name.
pub fn transferred(store: &Store, name: &Reference, action: &str) {
    Event::of_image(
        name.familiar(),
        name.familiar_name(),
        &labels(store, &name.to_string()),
        action,
    )
    .note(store.state());
}

/// That an image of this ID was loaded, saved or imported.
pub fn happened(store: &Store, id: Digest, action: &str) {
    Event::of_image(id, id, &labels(store, &id.to_string()), action).note(store.state());
}

/// That it has this name now.
pub fn tagged(store: &Store, name: &Reference) {
    let Ok(image) = store.resolve(&name.to_string()) else { return };
    let labels = &image.config.config.labels;
    Event::of_image(image.id(), name.familiar(), labels, "tag").note(store.state());
}

/// The image is no longer there to be asked; a name says which one it was.
pub fn removed(store: &Store, removed: &[Removed]) {
    let none = BTreeMap::new();
    for what in removed {
        let event = match what {
            Removed::Untagged(name) => {
                Event::of_image(name.familiar(), name.familiar(), &none, "untag")
            }
            Removed::Deleted(id) => Event::of_image(id, id, &none, "delete"),
        };
        event.note(store.state());
    }
}

/// None of an image that cannot be read here, one for another platform perhaps.
fn labels(store: &Store, text: &str) -> BTreeMap<String, String> {
    store.resolve(text).map(|image| image.config.config.labels.clone()).unwrap_or_default()
}
