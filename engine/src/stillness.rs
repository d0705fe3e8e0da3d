//! Containers that stand still while their files are looked at.

use runtime::containers::{Container, Status};
use runtime::shim::Connection;

use crate::Result;

/// A container whose processes stand still until this is dropped.
#[derive(Debug)]
pub struct Stillness(Option<Connection>);

impl Stillness {
    /// Of one that does not run, or stands still already, nothing changes.
    pub fn of(container: &Container, wanted: bool) -> Result<Stillness> {
        if !wanted || container.state.status != Status::Running {
            return Ok(Stillness(None));
        }
        let connection = Connection::open(container)?;
        connection.pause()?;
        Ok(Stillness(Some(connection)))
    }
}

impl Drop for Stillness {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            // It may have been removed by force meanwhile.
            let _gone = connection.unpause();
        }
    }
}
