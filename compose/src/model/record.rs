//! The macro that declares a record: its fields, what each is called in a file, and how both ways are gone.

/// `name: Type = "key"`, in the order in which `config` prints them. After the key may stand `kept` (printed
/// even when unset), `json_kept` (only so in JSON) or `json "Name"` (another name in JSON).
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty = $key:literal $($flag:ident $($other:literal)?)? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// `x-…` attributes, as written.
            pub extensions: $crate::model::Extensions,
        }

        impl $crate::model::Attribute for $name {
            fn decode(node: &$crate::yaml::Node) -> Result<Self, $crate::model::attribute::Misfit> {
                let Some(map) = node.as_map() else {
                    if node.is_null() {
                        return Ok(Self::default());
                    }
                    return Err($crate::model::attribute::Misfit::expected("a mapping", node));
                };
                Ok(Self {
                    $( $field: $crate::model::attribute::field_named(
                        map, $key, record!(@json_name $key $($flag $($other)?)?),
                    )?, )*
                    extensions: $crate::model::attribute::extensions(map),
                })
            }

            fn encode(&self, form: $crate::render::Form) -> $crate::render::Data {
                let mut fields = Vec::new();
                $( $crate::model::record::put(
                    &mut fields,
                    ($key, record!(@json_name $key $($flag $($other)?)?)),
                    record!(@kept form $($flag)?),
                    &self.$field,
                    form,
                ); )*
                $crate::model::attribute::put_extensions(&mut fields, &self.extensions, form);
                $crate::render::Data::Record(fields)
            }

            fn is_unset(&self, form: $crate::render::Form) -> bool {
                // Go never leaves a struct out of JSON.
                form == $crate::render::Form::Yaml
                    && self.extensions.is_empty()
                    $( && $crate::model::Attribute::is_unset(&self.$field, form) )*
            }
        }
    };
    (@json_name $key:literal) => { $key };
    (@json_name $key:literal json $other:literal) => { $other };
    (@json_name $key:literal $flag:ident) => { $key };
    (@kept $form:ident) => { false };
    (@kept $form:ident kept) => { true };
    (@kept $form:ident json) => { true };
    (@kept $form:ident json_kept) => { $form == $crate::render::Form::Json };
}

use super::Attribute;
use crate::render::{Data, Form};

/// Adds a field to a document unless it is to be left out.
pub(crate) fn put<T: Attribute>(
    fields: &mut Vec<(String, Data)>,
    (yaml, json): (&str, &str),
    kept: bool,
    value: &T,
    form: Form,
) {
    if kept || !value.is_unset(form) {
        let key = if form == Form::Json { json } else { yaml };
        fields.push((key.to_owned(), value.encode(form)));
    }
}
