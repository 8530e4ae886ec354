//! The preludes. They export the macros as well, so the replaced ones have to stand here too.

macro_rules! preludes {
    ($($name:ident)*) => {
        $(
            pub mod $name {
                pub use ::std::prelude::$name::*;

                pub use crate::{__panic as panic, thread_local};
            }
        )*
    };
}

preludes!(v1 rust_2015 rust_2018 rust_2021 rust_2024);
