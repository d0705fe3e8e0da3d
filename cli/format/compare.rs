//! `eq`, `ne`, `lt` and the rest: values of the same basic type only, as in Go.

use std::cmp::Ordering;

use super::error::Complaint;
use super::value::{Value, View};

/// Whether the first equals any of the others.
pub(super) fn equal(first: &Value, others: &[Value]) -> Result<bool, Complaint> {
    for other in others {
        if equals(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(a: &Value, b: &Value) -> Result<bool, Complaint> {
    match (a.view(), b.view()) {
        (View::Bool(a), View::Bool(b)) => Ok(a == b),
        (View::Int(a), View::Int(b)) => Ok(a == b),
        (View::Float(a), View::Float(b)) => Ok(a == b),
        (View::Text(a), View::Text(b)) => Ok(a == b),
        (View::Nil | View::NilPointer(_), View::Nil | View::NilPointer(_)) => Ok(true),
        (View::List(..) | View::Map(..), View::List(..) | View::Map(..)) => {
            Err(Complaint::new(format!("values of type {} cannot be compared", a.type_name())))
        }
        (View::Struct(a, _), View::Struct(b, _)) => Ok(a == b),
        // What is not there equals nothing that is.
        (View::Nil | View::NilPointer(_), _) | (_, View::Nil | View::NilPointer(_)) => Ok(false),
        _ => Err(incompatible(a, b)),
    }
}

pub(super) fn less(a: &Value, b: &Value) -> Result<bool, Complaint> {
    let ordering = match (a.view(), b.view()) {
        (View::Int(a), View::Int(b)) => Some(a.cmp(&b)),
        (View::Float(a), View::Float(b)) => a.partial_cmp(&b),
        (View::Text(a), View::Text(b)) => Some(a.cmp(b)),
        (View::Int(_) | View::Float(_) | View::Text(_), _) => return Err(incompatible(a, b)),
        _ => {
            let message = format!("values of type {} have no order", a.type_name());
            return Err(Complaint::new(message));
        }
    };
    Ok(ordering == Some(Ordering::Less))
}

fn incompatible(a: &Value, b: &Value) -> Complaint {
    let (a, b) = (a.type_name(), b.type_name());
    Complaint::new(format!("values of types {a} and {b} cannot be compared"))
}
