//! Drivers and options of logs.

use runtime::containers::{LogDriver, LogSettings};

use super::{Result, ValueError, bytes};
use crate::request::LogRequest;

/// None is docker's default.
pub fn of_driver(name: Option<&str>) -> Result<LogRequest> {
    let driver = match name {
        None | Some("json-file") => LogDriver::JsonFile,
        Some("none") => LogDriver::None,
        Some(other) => return Err(ValueError::LogDriver { name: other.to_owned() }),
    };
    let settings = LogSettings { driver, ..LogSettings::default() };
    Ok(LogRequest { settings, ..LogRequest::default() })
}

/// One option.
pub fn set(log: &mut LogRequest, name: &str, value: &str) -> Result<()> {
    let settings = &mut log.settings;
    if settings.driver == LogDriver::None {
        return Err(ValueError::LogOptionOfNone);
    }
    match name {
        "max-size" if value == "-1" => settings.max_size = None,
        "max-size" => {
            let size = bytes(value)?;
            settings.max_size = Some(size).filter(|size| *size > 0);
            settings.max_size.ok_or(ValueError::LogSize)?;
        }
        "max-file" => {
            let number = value.parse().ok().filter(|number| *number > 0);
            settings.max_files = number.ok_or(ValueError::LogFiles)?;
        }
        "labels" => log.labels.extend(value.split(',').map(str::to_owned)),
        "env" => log.env.extend(value.split(',').map(str::to_owned)),
        _ => return Err(ValueError::LogOption),
    }
    log.settings.options.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// Once all are set.
pub fn check(log: &LogRequest) -> Result<()> {
    let settings = &log.settings;
    match settings.max_files > 1 && settings.max_size.is_none() {
        true => Err(ValueError::LogFilesWithoutSize { files: settings.max_files }),
        false => Ok(()),
    }
}
