//! What is wrong with a template, or with what it asks of the data, and where.

use std::fmt;
use std::ops::Range;

use crate::report::{Excerpt, Report};

/// An error with its place in the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    pub template: String,
    pub span: Range<usize>,
    pub message: String,
    pub hint: Option<String>,
}

/// An error before it is known in which template it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// What a function or a field access says; its caller knows the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl TemplateError {
    /// The error with a caret below its place.
    pub fn report(&self) -> Report {
        let excerpt = Excerpt {
            name: "--format".to_owned(),
            text: self.template.clone(),
            line: 1,
            span: self.span.clone(),
        };
        let report = Report::error(&self.message).excerpt(excerpt);
        match &self.hint {
            Some(hint) => report.hint(hint),
            None => report,
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in `--format {}`", self.message, self.template)
    }
}

impl std::error::Error for TemplateError {}

impl Flaw {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Flaw {
        Flaw { span, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Flaw {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn in_template(self, template: &str) -> TemplateError {
        let Flaw { span, message, hint } = self;
        TemplateError { template: template.to_owned(), span, message, hint }
    }
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Complaint {
        Complaint { message: message.into(), hint: None }
    }

    pub(super) fn at(self, span: Range<usize>) -> Flaw {
        Flaw { span, message: self.message, hint: self.hint }
    }
}
