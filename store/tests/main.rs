//! Tests of the store on temporary directories. One binary, because linking costs more than running.
mod archives;
mod collection;
mod damage;
mod images;
mod leftovers;
mod snapshots;
mod support;
