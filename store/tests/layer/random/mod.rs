//! Random trees and random stacks of layers, judged by the kernel and by a simple model.
//!
//! | file         | what                                                      |
//! |--------------|-----------------------------------------------------------|
//! | `cases.rs`   | seeds, how many, what of a failing case is needed to fail |
//! | `names.rs`   | names, contents, owners, times                            |
//! | `view.rs`    | a tree as lines, from wherever it is                      |
//! | `model.rs`   | what layers mean                                          |
//! | `stacks.rs`  | archives against the model                                |
//! | `changes.rs` | changes made through overlayfs or in a copy, against what was there |
//! | `damage.rs`  | archives that are not what they were                      |

pub(crate) mod cases;
mod changes;
pub(crate) mod damage;
mod model;
mod names;
mod stacks;
mod view;
