//! Places between the steps by which containers come and go. In tests any of them can fail, or be where the process
//! dies; elsewhere they are nothing.
#[cfg(not(test))]
pub(super) fn pass(_place: &'static str) -> super::directory::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use armed::pass;

#[cfg(test)]
pub(super) mod armed {
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::super::directory::Result;
    use super::super::error::NetworkError;

    /// What happens there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in crate::network) enum Fault {
        /// The step fails, as far as its caller can tell.
        Fails,
        /// The process ends at once: descriptors are closed and nothing else is done.
        Dies,
    }

    struct Died;

    thread_local! {
        /// How many places are passed before it happens.
        static NEXT: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
        /// The places that were passed, while somebody wants to know.
        static PASSED: RefCell<Option<Vec<&'static str>>> = const { RefCell::new(None) };
    }

    pub(in crate::network) fn pass(place: &'static str) -> Result<()> {
        PASSED.with_borrow_mut(|passed| passed.iter_mut().for_each(|all| all.push(place)));
        match NEXT.get() {
            None => Ok(()),
            Some((0, fault)) => {
                NEXT.set(None);
                match fault {
                    Fault::Fails => Err(NetworkError::Call {
                        act: format!("go on after: {place}"),
                        source: io::Error::other("a test says so"),
                    }),
                    Fault::Dies => resume_unwind(Box::new(Died)),
                }
            }
            Some((left, fault)) => {
                NEXT.set(Some((left - 1, fault)));
                Ok(())
            }
        }
    }

    /// The places of something that succeeds, in their order.
    pub(in crate::network) fn places<T>(act: impl FnOnce() -> Result<T>) -> Vec<&'static str> {
        PASSED.set(Some(Vec::new()));
        let done = act();
        let passed = PASSED.take().unwrap_or_default();
        assert!(done.is_ok(), "{:?}", done.err());
        passed
    }

    /// What came of something in which a place was made to fail.
    #[derive(Debug)]
    pub(in crate::network) enum Outcome<T> {
        /// It has fewer places.
        NotReached(Result<T>),
        Failed(Result<T>),
        Died,
    }

    pub(in crate::network) fn with_fault<T>(
        place: usize,
        fault: Fault,
        act: impl FnOnce() -> Result<T>,
    ) -> Outcome<T> {
        NEXT.set(Some((place, fault)));
        let done = catch_unwind(AssertUnwindSafe(act));
        let reached = NEXT.take().is_none();
        match done {
            Ok(result) if reached => Outcome::Failed(result),
            Ok(result) => Outcome::NotReached(result),
            Err(panic) if panic.is::<Died>() => Outcome::Died,
            Err(panic) => resume_unwind(panic),
        }
    }
}
