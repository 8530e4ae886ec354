//! A crate under the renamed `std` finds everything else where it always is.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{Read, Write as _};
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
#[allow(unused_imports)]
use std::prelude::rust_2024::*;
use std::rc::Rc;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Derived(u32);

#[derive(Debug)]
enum Failure {
    Parse(std::num::ParseIntError),
    Io(std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it failed: {self:?}")
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Parse(e) => Some(e),
            Self::Io(e) => Some(e),
        }
    }
}

impl From<std::num::ParseIntError> for Failure {
    fn from(e: std::num::ParseIntError) -> Self {
        Self::Parse(e)
    }
}

struct Wrapper(Vec<u8>);

impl Deref for Wrapper {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wrapper {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

fn parse(text: &str) -> Result<u32, Failure> {
    Ok(u32::from_str(text)?)
}

fn boxed(text: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
    if text.is_empty() {
        return Err("nothing there".into());
    }
    Ok(parse(text)?)
}

async fn later() -> u32 {
    std::future::ready(3).await
}

#[test]
fn macros_and_derives() {
    println!("{:?}", Derived::default());
    eprintln!("{}", line!());
    let list = vec![1, 2, 3];
    assert!(matches!(list.as_slice(), [1, ..]), "{list:?}");
    assert_ne!(list, vec![0; 3]);
    debug_assert!(!list.is_empty());
    debug_assert_eq!(list.len(), 3);
    assert_eq!(format!("{list:?}-{:>3}", 7), "[1, 2, 3]-  7");
    assert_eq!(concat!("a", stringify!(b)), "ab");
    assert!(option_env!("NO_SUCH_VARIABLE").is_none());
    assert!(file!().ends_with("paths.rs") && module_path!().ends_with("paths"));
    let mut text = String::new();
    writeln!(text, "{}", cfg!(test)).unwrap();
    assert_eq!(text, "true\n");
    let pinned = std::pin::pin!(later());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(pinned.poll(&mut context).is_ready());
}

#[test]
#[expect(clippy::assertions_on_constants, clippy::unnecessary_literal_unwrap, reason = "they fail")]
fn panics_speak_as_always() {
    fn says(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
        sim_tests::message(&*std::panic::catch_unwind(f).unwrap_err())
    }
    assert_eq!(says(|| panic!()), "explicit panic");
    assert_eq!(says(|| panic!("as {}", "said")), "as said");
    assert_eq!(says(|| std::panic!("plain")), "plain");
    assert_eq!(says(|| todo!("this")), "not yet implemented: this");
    assert_eq!(
        says(|| unreachable!("that {}", 1)),
        "internal error: entered unreachable code: that 1"
    );
    assert_eq!(says(|| unimplemented!()), "not implemented");
    assert_eq!(says(|| assert!(false, "so {}", 1)), "so 1");
    assert_eq!(says(|| _ = None::<u32>.expect("one")), "one");
}

#[test]
#[expect(clippy::legacy_numeric_constants, reason = "the module is there")]
fn modules() {
    let mut map: HashMap<&str, Derived> = HashMap::from([("a", Derived(1))]);
    map.entry("b").or_default().0 += 1;
    assert_eq!(map.len(), 2);
    let _ = (BTreeMap::<u8, u8>::new(), HashSet::<u8>::new(), VecDeque::<u8>::new());
    assert!(boxed("").is_err() && boxed("x").unwrap_err().source().is_some());
    assert_eq!(boxed("12").unwrap(), 12);
    assert!(Failure::Io(std::io::Error::other("x")).to_string().contains("it failed"));
    let mut wrapper = Wrapper(Vec::new());
    wrapper.write_all(b"abc").unwrap();
    let mut text = String::new();
    wrapper.as_slice().read_to_string(&mut text).unwrap();
    assert_eq!(Cow::from(text), "abc");
    assert_eq!(std::mem::take(&mut *wrapper).len(), 3);
    assert_eq!(Rc::new(NonZeroU32::MIN).get(), 1);
    assert_eq!(PathBuf::from("a").join("b").components().count(), 2);
    assert_eq!(std::cmp::max(std::u32::MAX, 1), u32::MAX);
    assert!(std::f64::consts::PI > 3.0 && std::env::args().count() > 0);
    let _: std::time::Duration = core::time::Duration::ZERO;
    assert_eq!(std::hint::black_box(1), 1);
    let location = std::panic::Location::caller();
    assert!(location.line() > 0);
}
