//! The files a build is given.

pub mod ignore;
