//! Volumes: directories that outlive the containers they are mounted in.
//!
//! ```text
//! volumes/<name>/definition.json    what it is: schema number, labels, options of the driver
//! volumes/<name>/_data/             its files
//! volumes/<name>/lock               shared: a container with it is being made; exclusive: it is being removed
//! volumes/<name>/filling            exclusive: an image's files are being copied into it
//! ```
//!
//! A volume appears by one rename of a finished directory and goes by one rename into `temp/`. Who makes a container
//! with it holds the lock until the container can be seen, so nobody finds the volume unused in between. These locks
//! are taken before that of the containers, and in no order among themselves: only the exclusive ones can be in
//! somebody's way, and these never wait (`lock`) or are held while nothing else is waited for (`filling`).
//!
//! | file            | what                                                      |
//! |-----------------|-----------------------------------------------------------|
//! | `definition.rs` | what a volume is; names                                    |
//! | `backing.rs`    | options of the driver: where the files are                 |
//! | `directory.rs`  | making, finding and removing volumes                        |
//! | `fill.rs`       | an empty volume takes what the image has there               |
//! | `attach.rs`     | from the volumes a container asks for to mounts               |
//! | `backup.rs`     | a volume as a tar archive                                      |

mod attach;
mod backing;
mod backup;
mod definition;
mod directory;
mod error;
mod fill;

pub use attach::{Attached, VolumeMount, attach};
pub use backing::Backing;
pub use definition::{NewVolume, Volume, check_name};
pub use directory::{Claim, Volumes};
pub use error::VolumeError;
