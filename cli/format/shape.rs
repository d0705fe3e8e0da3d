//! Types of the data: what a template may ask for, and what `null` or an absent key means.

/// A type as Go has it in the documents of Docker's API.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// `interface{}`: what the JSON is.
    Any,
    Text,
    Int,
    Float,
    Bool,
    List(&'static Shape),
    Map(&'static Shape),
    Struct(&'static Struct),
    /// May be nil, which is `null` or absent.
    Pointer(&'static Struct),
}

/// A struct: other names than its fields' are mistakes.
#[derive(Debug, PartialEq)]
pub struct Struct {
    /// How errors call it: `an image`.
    pub name: &'static str,
    pub fields: &'static [(&'static str, Shape)],
}

impl Struct {
    pub(super) fn field(&self, name: &str) -> Option<Shape> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, shape)| *shape)
    }
}

impl Shape {
    /// Go's name of the type.
    pub(super) fn name(self) -> String {
        match self {
            Shape::Any => "interface {}".to_owned(),
            Shape::Text => "string".to_owned(),
            Shape::Int => "int".to_owned(),
            Shape::Float => "float64".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::List(element) => format!("[]{}", element.name()),
            Shape::Map(element) => format!("map[string]{}", element.name()),
            Shape::Struct(fields) => fields.name.to_owned(),
            Shape::Pointer(fields) => format!("*{}", fields.name),
        }
    }
}
