//! `name=value,name=value`: how docker writes several settings in one argument. As in a CSV file, a
//! field in double quotes may contain commas, and `""` in it is one quote.

use anyhow::{Result, bail};

/// The settings in their order. A field without `=` has no value.
pub fn parse(text: &str) -> Result<Vec<(String, Option<String>)>> {
    let fields = split(text)?.into_iter().map(|field| match field.split_once('=') {
        Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.to_owned())),
        None => (field, None),
    });
    Ok(fields.collect())
}

fn split(text: &str) -> Result<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let field = fields.last_mut().expect("there is always a field being read");
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => field.push(char),
        }
    }
    if quoted {
        bail!("`{text}` has a quote that is not closed");
    }
    Ok(fields)
}

/// `true`, `false` and their kin, as Go reads them.
pub fn boolean(name: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None => Ok(true),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => bail!("`{name}={value}`: expected `true` or `false`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_at_commas_outside_quotes() {
        let parsed = parse("type=oci,\"dest=a,b\",Tar=false,x").unwrap();
        let expected =
            [("type", Some("oci")), ("dest", Some("a,b")), ("tar", Some("false")), ("x", None)];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.map(str::to_owned)));
        assert_eq!(parsed, expected);
        assert!(parse("\"a").is_err());
    }
}
