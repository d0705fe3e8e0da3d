//! Whole builds without RUN, which need no root: the cache, its explanations, outputs, what is left behind.

#![allow(clippy::unwrap_used)] // a test that fails here says where

mod building;
