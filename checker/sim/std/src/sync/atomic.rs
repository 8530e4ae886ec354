//! `std::sync::atomic`: the real ones, with a scheduling point before each operation.
//!
//! Only one simulated thread runs at a time, so every operation is sequentially consistent,
//! whatever its `Ordering` says.

use ::std::fmt;
use ::std::panic::{Location, RefUnwindSafe};
use ::std::sync::atomic as real;

pub use ::std::sync::atomic::Ordering;

#[track_caller]
pub fn fence(order: Ordering) {
    sim::point(Location::caller());
    real::fence(order);
}

pub use ::std::sync::atomic::compiler_fence;

/// Tells of a comparison, after which `new` was written or nothing.
fn compared<T: fmt::Debug>(
    at: &'static Location<'static>,
    done: Result<T, T>,
    new: T,
) -> Result<T, T> {
    sim::tell(at, || match &done {
        Ok(before) => format!("read {before:?} and wrote {new:?}"),
        Err(now) => format!("read {now:?} and did not write {new:?}"),
    });
    done
}

/// What all of them have.
macro_rules! common {
    ($name:ident $(<$p:ident>)?, $t:ty) => {
        #[repr(transparent)]
        pub struct $name $(<$p>)? {
            real: real::$name $(<$p>)?,
        }

        impl $(<$p>)? RefUnwindSafe for $name $(<$p>)? {}

        impl $(<$p>)? $name $(<$p>)? {
            #[must_use]
            pub const fn new(v: $t) -> Self {
                Self { real: real::$name::new(v) }
            }

            pub fn get_mut(&mut self) -> &mut $t {
                self.real.get_mut()
            }

            pub const fn into_inner(self) -> $t {
                self.real.into_inner()
            }

            pub const fn as_ptr(&self) -> *mut $t {
                self.real.as_ptr()
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $t {
                let at = Location::caller();
                sim::point(at);
                let read = self.real.load(order);
                sim::tell(at, || format!("read {read:?}"));
                read
            }

            #[track_caller]
            pub fn store(&self, val: $t, order: Ordering) {
                let at = Location::caller();
                sim::point(at);
                self.real.store(val, order);
                sim::tell(at, || format!("wrote {val:?}"));
            }

            #[track_caller]
            pub fn swap(&self, val: $t, order: Ordering) -> $t {
                let at = Location::caller();
                sim::point(at);
                self.changed(at, self.real.swap(val, order))
            }

            #[deprecated(
                since = "1.50.0",
                note = "Use `compare_exchange` or `compare_exchange_weak` instead"
            )]
            #[track_caller]
            pub fn compare_and_swap(&self, current: $t, new: $t, order: Ordering) -> $t {
                let done = self.compare_exchange(current, new, order, Ordering::SeqCst);
                done.unwrap_or_else(|now| now)
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $t,
                new: $t,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$t, $t> {
                let at = Location::caller();
                sim::point(at);
                let done = self.real.compare_exchange(current, new, success, failure);
                compared(at, done, new)
            }

            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $t,
                new: $t,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$t, $t> {
                let at = Location::caller();
                sim::point(at);
                let done = self.real.compare_exchange_weak(current, new, success, failure);
                compared(at, done, new)
            }

            /// Tells of an operation that read `before` and has written.
            fn changed(&self, at: &'static Location<'static>, before: $t) -> $t {
                sim::tell(at, || {
                    format!("read {before:?} and wrote {:?}", self.real.load(Ordering::SeqCst))
                });
                before
            }

            #[track_caller]
            pub fn fetch_update<F>(
                &self,
                set_order: Ordering,
                fetch_order: Ordering,
                mut f: F,
            ) -> Result<$t, $t>
            where
                F: FnMut($t) -> Option<$t>,
            {
                // As in `std`, others may come between, and then `f` is called again.
                let mut prev = self.load(fetch_order);
                while let Some(next) = f(prev) {
                    match self.compare_exchange_weak(prev, next, set_order, fetch_order) {
                        done @ Ok(_) => return done,
                        Err(now) => prev = now,
                    }
                }
                Err(prev)
            }

            #[track_caller]
            pub fn try_update(
                &self,
                set_order: Ordering,
                fetch_order: Ordering,
                f: impl FnMut($t) -> Option<$t>,
            ) -> Result<$t, $t> {
                self.fetch_update(set_order, fetch_order, f)
            }

            #[track_caller]
            pub fn update(
                &self,
                set_order: Ordering,
                fetch_order: Ordering,
                mut f: impl FnMut($t) -> $t,
            ) -> $t {
                match self.fetch_update(set_order, fetch_order, |v| Some(f(v))) {
                    Ok(before) | Err(before) => before,
                }
            }
        }

        impl $(<$p>)? From<$t> for $name $(<$p>)? {
            fn from(v: $t) -> Self {
                Self::new(v)
            }
        }

        impl $(<$p>)? fmt::Debug for $name $(<$p>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.real.fmt(f)
            }
        }
    };
}

/// Read-modify-write operations with one operand.
macro_rules! fetch {
    ($operand:ty => $t:ty: $($op:ident)*) => {
        $(
            #[track_caller]
            pub fn $op(&self, val: $operand, order: Ordering) -> $t {
                let at = Location::caller();
                sim::point(at);
                self.changed(at, self.real.$op(val, order))
            }
        )*
    };
}

macro_rules! integer {
    ($($name:ident: $t:ty;)*) => {
        $(
            common!($name, $t);

            impl $name {
                fetch!($t => $t: fetch_add fetch_sub fetch_and fetch_nand fetch_or fetch_xor fetch_max fetch_min);
            }

            impl Default for $name {
                fn default() -> Self {
                    Self::new(0)
                }
            }
        )*
    };
}

integer! {
    AtomicI8: i8;
    AtomicU8: u8;
    AtomicI16: i16;
    AtomicU16: u16;
    AtomicI32: i32;
    AtomicU32: u32;
    AtomicI64: i64;
    AtomicU64: u64;
    AtomicIsize: isize;
    AtomicUsize: usize;
}

common!(AtomicBool, bool);

impl AtomicBool {
    fetch!(bool => bool: fetch_and fetch_nand fetch_or fetch_xor);

    #[track_caller]
    pub fn fetch_not(&self, order: Ordering) -> bool {
        let at = Location::caller();
        sim::point(at);
        self.changed(at, self.real.fetch_not(order))
    }
}

impl Default for AtomicBool {
    fn default() -> Self {
        Self::new(false)
    }
}

common!(AtomicPtr<T>, *mut T);

impl<T> AtomicPtr<T> {
    fetch!(usize => *mut T: fetch_ptr_add fetch_ptr_sub fetch_byte_add fetch_byte_sub fetch_or fetch_and fetch_xor);
}

impl<T> Default for AtomicPtr<T> {
    fn default() -> Self {
        Self::new(::std::ptr::null_mut())
    }
}
