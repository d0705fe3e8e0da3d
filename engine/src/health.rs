//! The image's health check, with what the request says otherwise.

use runtime::containers::HealthCheck;
use store::ImageConfig;

use crate::request::HealthRequest;
use crate::{EngineError, Result};

const SECOND: u64 = 1_000_000_000;
/// Docker's, where neither the image nor the request says anything.
const INTERVAL: u64 = 30 * SECOND;
const TIMEOUT: u64 = 30 * SECOND;
const START_INTERVAL: u64 = 5 * SECOND;
const RETRIES: u32 = 3;

pub(crate) fn check(request: &HealthRequest, image: &ImageConfig) -> Result<Option<HealthCheck>> {
    let own = image.config.healthcheck.clone().unwrap_or_default();
    let test = request.test.clone().unwrap_or_else(|| own.test.clone());
    if request.none || test.first().is_none_or(|kind| kind == "NONE") {
        return Ok(None);
    }
    if !["CMD", "CMD-SHELL"].contains(&test[0].as_str()) || test.len() < 2 {
        return Err(EngineError::HealthCheck { test });
    }
    let shell = match image.config.shell.as_slice() {
        [] => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        own => own.to_vec(),
    };
    let time = |asked: Option<u64>, image: i64, default: u64| {
        asked.or(u64::try_from(image).ok().filter(|nanos| *nanos > 0)).unwrap_or(default)
    };
    Ok(Some(HealthCheck {
        test,
        shell,
        interval: time(request.interval, own.interval, INTERVAL),
        timeout: time(request.timeout, own.timeout, TIMEOUT),
        start_period: time(request.start_period, own.start_period, 0),
        start_interval: time(request.start_interval, own.start_interval, START_INTERVAL),
        retries: request
            .retries
            .or(u32::try_from(own.retries).ok().filter(|retries| *retries > 0))
            .unwrap_or(RETRIES),
    }))
}

#[cfg(test)]
mod tests {
    use store::{Healthcheck, Platform};

    use super::*;

    fn image(test: &[&str]) -> ImageConfig {
        let mut image = ImageConfig::empty(&Platform::host());
        let test = test.iter().map(ToString::to_string).collect();
        image.config.healthcheck =
            Some(Healthcheck { test, interval: 7_000_000_000, ..Healthcheck::default() });
        image
    }

    #[test]
    fn a_request_changes_the_images_check() {
        let image = image(&["CMD", "/check"]);
        let plain = check(&HealthRequest::default(), &image).unwrap().unwrap();
        assert_eq!(
            (plain.test[1].as_str(), plain.interval, plain.retries),
            ("/check", 7 * SECOND, 3)
        );
        let request = HealthRequest {
            test: Some(vec!["CMD-SHELL".to_owned(), "exit 0".to_owned()]),
            interval: Some(2 * SECOND),
            retries: Some(1),
            ..HealthRequest::default()
        };
        let other = check(&request, &image).unwrap().unwrap();
        assert_eq!(other.test, ["CMD-SHELL", "exit 0"]);
        assert_eq!((other.interval, other.retries, other.timeout), (2 * SECOND, 1, TIMEOUT));
        let off = HealthRequest { none: true, ..HealthRequest::default() };
        assert_eq!(check(&off, &image).unwrap(), None);
    }

    #[test]
    fn images_may_have_no_check_or_a_wrong_one() {
        let plain = HealthRequest::default();
        assert_eq!(check(&plain, &image(&["NONE"])).unwrap(), None);
        assert_eq!(check(&plain, &image(&[])).unwrap(), None);
        for wrong in [&["CMD"][..], &["RUN", "x"]] {
            assert!(check(&plain, &image(wrong)).is_err(), "{wrong:?}");
        }
    }
}
