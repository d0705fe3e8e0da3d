//! RUN.

use crate::ast::{Run, RunNetwork, RunSecurity, Word};
use crate::error::ErrorKind;
use crate::flag::FlagKind;
use crate::mount;
use crate::span::Spanned;

use super::{Request, command};

pub(super) fn run(request: &mut Request<'_>) -> Option<Run> {
    let flags = request.flags(&[
        ("mount", FlagKind::List),
        ("network", FlagKind::Text),
        ("security", FlagKind::Text),
        ("device", FlagKind::List),
    ]);
    let mounts = flags.list("mount");
    for word in &mounts {
        if let Err(error) = mount::check(&word.text) {
            request.error(error.into(), word.span);
        }
    }
    let devices =
        flags.list("device").into_iter().filter_map(|word| device(request, &word)).collect();
    let network = flags.given("network").and_then(|word| network(request, &word));
    let security = flags.given("security").and_then(|word| security(request, &word));
    let command = command::form(request, &request.node.arguments);
    Some(Run { mounts, network, security, devices, command })
}

fn network(request: &mut Request<'_>, word: &Word) -> Option<Spanned<RunNetwork>> {
    let mode = match word.text.as_str() {
        "default" => RunNetwork::Default,
        "none" => RunNetwork::None,
        "host" => RunNetwork::Host,
        _ => {
            request.error(ErrorKind::BadNetwork { value: word.text.clone() }, word.span);
            return None;
        }
    };
    Some(Spanned::new(mode, word.span))
}

fn security(request: &mut Request<'_>, word: &Word) -> Option<Spanned<RunSecurity>> {
    let mode = match word.text.as_str() {
        "sandbox" => RunSecurity::Sandbox,
        "insecure" => RunSecurity::Insecure,
        _ => {
            request.error(ErrorKind::BadSecurity { value: word.text.clone() }, word.span);
            return None;
        }
    };
    Some(Spanned::new(mode, word.span))
}

fn device(request: &mut Request<'_>, word: &Word) -> Option<Spanned<mount::Device>> {
    match mount::parse_device(&word.text) {
        Ok(device) => Some(Spanned::new(device, word.span)),
        Err(error) => {
            request.error(error.into(), word.span);
            None
        }
    }
}
