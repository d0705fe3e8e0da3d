//! `--format` of commands that print a list of rows: `table`, `table TEMPLATE`, `json`, `TEMPLATE`.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::columns::align;
use super::error::{Flaw, TemplateError};
use super::execute::{MissingKey, Template};
use super::shape::{Shape, Struct};
use super::value::Value;
use crate::terminal_text;

/// What rows can show: fields for templates and JSON, and the title above each.
#[derive(Debug)]
pub struct Table {
    row: Struct,
    titles: &'static [&'static str],
}

/// The text of each field.
pub type Row = Map<String, Json>;

impl Table {
    /// `name` is how errors call a row: `an image`.
    pub const fn new(
        name: &'static str,
        fields: &'static [(&'static str, Shape)],
        titles: &'static [&'static str],
    ) -> Table {
        assert!(fields.len() == titles.len(), "every field has a title");
        Table { row: Struct { name, fields }, titles }
    }

    fn titles(&self) -> Value {
        let fields = self.row.fields.iter().map(|(field, _)| (*field).to_owned());
        let titles: Row = fields.zip(self.titles.iter().map(|title| Json::from(*title))).collect();
        Value::new(Json::Object(titles), Shape::Map(&Shape::Text))
    }
}

/// A format that was understood.
#[derive(Clone, Debug)]
pub struct ListFormat {
    template: Template,
    is_table: bool,
}

impl ListFormat {
    /// `default` is what no format and `table` mean: a template, behind the word `table` if it has titles.
    pub fn parse(format: Option<&str>, default: &str) -> Result<ListFormat, TemplateError> {
        let format = match format {
            None | Some("" | "table") => default,
            Some("raw") => return Err(no_raw()),
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

    /// Whether one of these fields can be seen: what is costly to know need not be known otherwise.
    pub fn asks_for(&self, fields: &[&str]) -> bool {
        self.template.asks_for(fields)
    }

    /// A line for each row, below the titles if it is a table.
    pub fn render(
        &self,
        table: &'static Table,
        rows: impl IntoIterator<Item = Row>,
    ) -> Result<String, TemplateError> {
        let mut lines = String::new();
        for mut row in rows {
            if self.is_table {
                row.values_mut().for_each(printable);
            }
            let row = Value::new(Json::Object(sorted(row)), Shape::Struct(&table.row));
            lines.push_str(&self.template.execute(&row, MissingKey::NoValue)?);
            lines.push('\n');
        }
        if !self.is_table {
            return Ok(lines);
        }
        let titles = self.template.execute_header(&table.titles());
        Ok(align(&format!("{titles}\n{lines}")))
    }
}

/// A row of these texts.
pub fn row<const N: usize>(fields: [(&str, String); N]) -> Row {
    fields.into_iter().map(|(field, text)| (field.to_owned(), Json::String(text))).collect()
}

/// Tables are for people: what an image says of itself neither breaks their lines nor steers the terminal.
fn printable(value: &mut Json) {
    if let Json::String(text) = value
        && let Cow::Owned(safe) = terminal_text::line(text)
    {
        *text = safe;
    }
}

fn no_raw() -> TemplateError {
    Flaw::new(0..3, "the format `raw` is not supported")
        .hint("`table`, `json` and templates are")
        .in_template("raw")
}

/// Docker's JSON of rows has its keys in alphabetical order.
fn sorted(row: Row) -> Row {
    let mut pairs: Vec<(String, Json)> = row.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table = Table::new(
        "a thing",
        &[("ID", Shape::Text), ("CreatedSince", Shape::Text)],
        &["THING ID", "CREATED"],
    );

    fn rendered(format: Option<&str>) -> Result<String, TemplateError> {
        let text = |text: &str| text.to_owned();
        let rows = [
            row([("ID", text("b")), ("CreatedSince", text("2 days ago"))]),
            row([("ID", text("a")), ("CreatedSince", text("<never>"))]),
        ];
        let default = r"table {{.ID}}\t{{.CreatedSince}}";
        ListFormat::parse(format, default)?.render(&TABLE, rows)
    }

    #[test]
    fn lists_have_dockers_formats() {
        let table = "THING ID   CREATED\nb          2 days ago\na          <never>\n";
        let cases = [
            (None, table),
            (Some("table"), table),
            (Some(""), table),
            (Some("table {{.CreatedSince}}"), "CREATED\n2 days ago\n<never>\n"),
            (
                Some(r"table {{upper .ID}}\t{{.ID | json}}."),
                "THING ID   THING ID.\nB          \"b\".\nA          \"a\".\n",
            ),
            (Some("{{.ID}}"), "b\na\n"),
            (Some(r"{{.ID}}\t{{.CreatedSince}}"), "b\t2 days ago\na\t<never>\n"),
            (
                Some("json"),
                "{\"CreatedSince\":\"2 days ago\",\"ID\":\"b\"}\n{\"CreatedSince\":\"<never>\",\"ID\":\"a\"}\n",
            ),
            (
                Some("{{json .}}"),
                "{\"CreatedSince\":\"2 days ago\",\"ID\":\"b\"}\n{\"CreatedSince\":\"<never>\",\"ID\":\"a\"}\n",
            ),
        ];
        for (format, expected) in cases {
            assert_eq!(rendered(format).unwrap(), expected, "{format:?}");
        }
    }

    #[test]
    fn only_tables_are_made_safe_for_a_terminal() {
        let rendered = |format: &str| {
            let rows =
                [row([("ID", "a\x1b[2J\n\u{9b}".to_owned()), ("CreatedSince", "b\tc".to_owned())])];
            ListFormat::parse(Some(format), "").unwrap().render(&TABLE, rows).unwrap()
        };
        assert_eq!(
            rendered(r"table {{.ID}}\t{{.CreatedSince}}"),
            "THING ID   CREATED\na␛[2J \u{fffd}    b c\n"
        );
        assert_eq!(rendered("{{.ID}}"), "a\x1b[2J\n\u{9b}\n");
        let json = r#"{"CreatedSince":"b\tc","ID":"a\u001b[2J\n\u009b"}"#;
        assert_eq!(rendered("json"), format!("{json}\n"));
    }

    #[test]
    fn what_a_format_shows_is_known_beforehand() {
        let shows_id = |format| ListFormat::parse(Some(format), "").unwrap().asks_for(&["ID"]);
        for format in [
            "{{.ID}}",
            "table {{.Tag}} {{.ID}}",
            "json",
            "{{.}}",
            "{{$.ID}}",
            "{{len (lower .ID)}}",
            "{{if eq .Tag .ID}}a{{end}}",
            "{{if .Tag}}{{else}}{{.ID}}{{end}}",
            "{{with .Tag}}{{$.ID}}{{end}}",
            "{{with $x := $}}{{$x.ID}}{{end}}",
            "{{range .Tags}}{{json $}}{{end}}",
            "{{($).ID}}",
        ] {
            assert!(shows_id(format), "{format}");
        }
        for format in ["", "plain ID", "{{.Tag}}", "{{lower .Tag}} {{.Size}}", "{{(.Tag).X}}"] {
            assert!(!shows_id(format), "{format}");
        }
    }

    #[test]
    fn fields_that_rows_have_not_are_refused_by_name() {
        let error = rendered(Some("table {{.ID}} {{.Size}}")).unwrap_err();
        assert_eq!(error.message, "a thing has no field `Size`");
        assert_eq!(error.hint.as_deref(), Some("the fields are ID, CreatedSince"));
        assert!(rendered(Some("raw")).is_err());
    }
}
