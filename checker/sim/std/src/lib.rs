//! What a crate under simulation finds under the name `std`.
//!
//! The generated manifest says `std = { package = "sim-std", … }`; then every path `std::…`, the
//! prelude and the macros of that crate come from here. Most of it is `std` itself, module by
//! module. [`sync`], [`thread`] and [`time`] hold only what is modelled: anything else is a compile
//! error that names it. `core` and `alloc` are not replaced.

#![expect(missing_docs, reason = "the items are those of `std`, and documented there")]
#![expect(clippy::legacy_numeric_constants, reason = "`std` has them still")]

pub use ::std::{
    alloc, any, arch, array, ascii, backtrace, borrow, boxed, cell, char, clone, cmp, collections,
    convert, default, env, error, f32, f64, ffi, fmt, fs, future, hash, io, iter, marker, mem, net,
    num, ops, option, os, path, pin, primitive, process, ptr, range, rc, result, slice, str,
    string, task, vec,
};
pub use ::std::{
    assert, assert_eq, assert_ne, cfg, cfg_select, column, compile_error, concat, dbg,
    debug_assert, debug_assert_eq, debug_assert_ne, eprint, eprintln, file, format, format_args,
    include, include_bytes, include_str, line, matches, module_path, option_env, print, println,
    stringify, todo, unimplemented, unreachable, write, writeln,
};
pub use ::std::{i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub use ::std::is_x86_feature_detected;

pub mod hint;
pub mod panic;
pub mod prelude;
pub mod sync;
pub mod thread;
pub mod time;

/// `panic!` is defined here because `std` has a module of the same name, which is replaced.
#[doc(hidden)]
#[macro_export]
macro_rules! __panic {
    ($($arg:tt)*) => {
        ::core::panic!($($arg)*)
    };
}

pub use __panic as panic;

/// Values that each simulated thread has for itself.
#[macro_export]
macro_rules! thread_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = const $init:block; $($rest:tt)*) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = $init);
        $crate::thread_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = const $init:block) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = $init);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr; $($rest:tt)*) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = $init);
        $crate::thread_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr) => {
        $(#[$attr])*
        $vis static $name: $crate::thread::LocalKey<$t> = $crate::thread::LocalKey::new(|| $init);
    };
}
