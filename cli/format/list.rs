//! `--format` of commands that print a list of rows: `table`, `table TEMPLATE`, `json`, `TEMPLATE`.

use serde_json::{Map, Value as Json};

use super::columns::align;
use super::error::TemplateError;
use super::execute::{MissingKey, Template};
use super::shape::{Shape, Struct};
use super::value::Value;

/// What a row can show: the name in templates and JSON, and the title above it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub field: &'static str,
    pub title: &'static str,
}

/// The text of each field.
pub type Row = Map<String, Json>;

/// A format that was understood.
#[derive(Clone, Debug)]
pub struct ListFormat {
    template: Template,
    is_table: bool,
}

impl ListFormat {
    /// `default` is the table of docker, which an absent format and `table` mean.
    pub fn parse(format: Option<&str>, default: &str) -> Result<ListFormat, TemplateError> {
        let format = match format {
            None | Some("" | "table") => default,
            Some(format) => format,
        };
        let (is_table, template) = match format.strip_prefix("table") {
            Some(rest) => (true, rest),
            None if format == "json" => (false, "{{json .}}"),
            None => (false, format),
        };
        let template = template.trim_matches(' ').replace(r"\t", "\t").replace(r"\n", "\n");
        Ok(ListFormat { template: Template::parse(&template)?, is_table })
    }

    /// A line for each row, below the titles if it is a table. Every field of `fields` is in every row.
    pub fn render(
        &self,
        fields: &'static Struct,
        columns: &[Column],
        rows: impl IntoIterator<Item = Row>,
    ) -> Result<String, TemplateError> {
        let mut lines = String::new();
        for row in rows {
            let row = Value::new(Json::Object(sorted(row)), Shape::Struct(fields));
            lines.push_str(&self.template.execute(&row, MissingKey::NoValue)?);
            lines.push('\n');
        }
        if !self.is_table {
            return Ok(lines);
        }
        let titles: Row =
            columns.iter().map(|column| (column.field.to_owned(), column.title.into())).collect();
        let titles = Value::new(Json::Object(titles), Shape::Map(&Shape::Text));
        Ok(align(&format!("{}\n{lines}", self.template.execute_header(&titles))))
    }
}

/// Docker's JSON of rows has its keys in alphabetical order.
fn sorted(row: Row) -> Row {
    let mut pairs: Vec<(String, Json)> = row.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.into_iter().collect()
}
