//! Labels of images in filters: `NAME` or `NAME=VALUE`.

use std::collections::BTreeMap;

/// What a label has to be like.
#[derive(Debug)]
pub(super) struct Label {
    name: String,
    value: Option<String>,
}

impl Label {
    pub(super) fn parse(text: &str) -> Label {
        match text.split_once('=') {
            Some((name, value)) => Label { name: name.to_owned(), value: Some(value.to_owned()) },
            None => Label { name: text.to_owned(), value: None },
        }
    }

    pub(super) fn is_among(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.name);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|wanted| wanted == found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_by_name_or_value() {
        let labels = [("a", "1"), ("b", "")].map(|(name, value)| (name.into(), value.into()));
        for (text, expected) in
            [("a", true), ("a=1", true), ("a=2", false), ("b=", true), ("c", false), ("a=", false)]
        {
            assert_eq!(Label::parse(text).is_among(&labels.clone().into()), expected, "{text}");
        }
    }
}
