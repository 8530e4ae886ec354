//! The place that an object has in the tables of the running schedule.

use std::sync::atomic::{AtomicU64, Ordering};

const INDEX_BITS: u32 = 24;

/// Remembers an index for the length of one schedule. What an earlier schedule left in it, in a
/// `static` say, is forgotten by itself.
#[derive(Debug)]
pub(crate) struct Slot(AtomicU64);

impl Slot {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The index in `table`, which grows by an entry if there is none yet.
    pub(crate) fn index<T: Default>(&self, epoch: u64, table: &mut Vec<T>) -> usize {
        let known = self.0.load(Ordering::Relaxed);
        if known >> INDEX_BITS == epoch {
            return (known & ((1 << INDEX_BITS) - 1)) as usize;
        }
        let index = table.len();
        assert!(index < 1 << INDEX_BITS, "one schedule made too many locks");
        table.push(T::default());
        self.0.store(epoch << INDEX_BITS | index as u64, Ordering::Relaxed);
        index
    }
}
