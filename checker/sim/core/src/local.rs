//! Thread-local values, one for each simulated thread.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::ptr;
use std::rc::Rc;

use crate::world;

/// The values of one simulated thread, the oldest first; `None` once a value is dropped.
type Values = Vec<(usize, Option<Rc<dyn Any>>)>;

thread_local! {
    static VALUES: RefCell<HashMap<usize, Values>> = RefCell::default();
}

/// `std::thread::LocalKey` for simulated threads.
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
}

/// `std::thread::AccessError`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("already destroyed")
    }
}

impl std::error::Error for AccessError {}

/// The number of the current simulated thread, or one that none has.
fn me() -> usize {
    world::with(|state| state.current.0).unwrap_or(usize::MAX)
}

/// Drops the values of the current simulated thread, the youngest first.
pub(crate) fn drop_all() {
    let me = me();
    loop {
        let youngest = VALUES.with_borrow_mut(|values| {
            values.get_mut(&me)?.iter_mut().rev().find_map(|(_, value)| value.take())
        });
        match youngest {
            Some(value) => drop(value),
            None => break,
        }
    }
    VALUES.with_borrow_mut(|values| values.remove(&me));
}

/// Leaks what the threads of the schedule before have left.
pub(crate) fn forget_all() {
    std::mem::forget(VALUES.take());
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init }
    }

    /// Works on the current simulated thread's value.
    pub fn with<F: FnOnce(&T) -> R, R>(&'static self, f: F) -> R {
        self.try_with(f).unwrap_or_else(|AccessError| destroyed())
    }

    /// Works on the current simulated thread's value, unless it is dropped already.
    pub fn try_with<F: FnOnce(&T) -> R, R>(&'static self, f: F) -> Result<R, AccessError> {
        Ok(f(&*self.value(self.init)?))
    }

    /// The value; made by `make`, if there is none yet.
    fn value(&'static self, make: impl FnOnce() -> T) -> Result<Rc<T>, AccessError> {
        let me = me();
        let key = ptr::from_ref(self).addr();
        let find = |values: &mut Values| {
            let slot = values.iter().find(|(known, _)| *known == key);
            slot.map(|(_, value)| value.clone().ok_or(AccessError))
        };
        let known = VALUES.with_borrow_mut(|values| find(values.entry(me).or_default()));
        let value = known.unwrap_or_else(|| {
            let new: Rc<dyn Any> = Rc::new(make());
            VALUES.with_borrow_mut(|values| {
                let values = values.entry(me).or_default();
                // Making the value may have made it already.
                find(values).unwrap_or_else(|| {
                    values.push((key, Some(Rc::clone(&new))));
                    Ok(new)
                })
            })
        })?;
        Ok(value.downcast().expect("a key is of one type"))
    }

    /// Makes the value from `first`, or else works on the one that is there with it.
    fn with_first<R>(&'static self, first: T, f: impl FnOnce(Option<T>, &T) -> R) -> R {
        let mut first = Some(first);
        let value = self.value(|| first.take().expect("made once"));
        let value = value.unwrap_or_else(|AccessError| destroyed());
        f(first, &value)
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value.
    pub fn set(&'static self, value: T) {
        self.with_first(Cell::new(value), |value, cell| {
            if let Some(value) = value {
                cell.set(value.into_inner());
            }
        });
    }

    /// A copy of the value.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value and leaves the default one.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value and returns the old one.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Works on the borrowed value.
    pub fn with_borrow<F: FnOnce(&T) -> R, R>(&'static self, f: F) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Works on the mutably borrowed value.
    pub fn with_borrow_mut<F: FnOnce(&mut T) -> R, R>(&'static self, f: F) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value.
    pub fn set(&'static self, value: T) {
        self.with_first(RefCell::new(value), |value, cell| {
            if let Some(value) = value {
                *cell.borrow_mut() = value.into_inner();
            }
        });
    }

    /// Takes the value and leaves the default one.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets the value and returns the old one.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

fn destroyed() -> ! {
    panic!(
        "cannot access a Thread Local Storage value during or after destruction: {AccessError:?}"
    )
}
