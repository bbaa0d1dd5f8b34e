//! Functions of a library that is opened at run time.

use std::path::Path;

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};
use taxiway_engine::{Error, ErrorKind, Result};

/// A struct of function pointers, one field a symbol, and `bind`, which finds them all.
macro_rules! symbols {
    ($(#[$doc:meta])* $name:ident { $($symbol:ident: fn($($argument:ty),* $(,)?) $(-> $result:ty)?;)* }) => {
        $(#[$doc])*
        #[allow(non_snake_case)] // the library's own names
        #[derive(Clone, Copy)]
        pub(crate) struct $name {
            $(pub(crate) $symbol: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl $name {
            /// Finds every function.
            ///
            /// # Errors
            /// The name of the first symbol that the library does not have.
            ///
            /// # Safety
            /// The library is one whose functions of these names have these types, and it is never closed.
            pub(crate) unsafe fn bind(library: &libloading::os::unix::Library) -> Result<$name, &'static str> {
                Ok($name {
                    // SAFETY: the caller vouches for the types; the copied pointers outlive nothing, as the library
                    // stays open.
                    $($symbol: unsafe { *library.get(stringify!($symbol).as_bytes()).map_err(|_| stringify!($symbol))? },)*
                })
            }
        }
    };
}
pub(crate) use symbols;

/// Opens a library of `runtime`. It stays open to the end of the process: both runtimes start threads and register
/// destructors of their own that would run on unmapped code.
///
/// # Errors
/// `FailedPrecondition` with the linker's own text.
pub(crate) fn open_library(runtime: &str, path: &Path) -> Result<&'static Library> {
    // SAFETY: opening runs the library's initialisers; the path is the one of an installed runtime, which the
    // operator trusts as much as this program.
    match unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_LOCAL) } {
        Ok(library) => Ok(Box::leak(Box::new(library))),
        Err(error) => Err(Error::new(
            ErrorKind::FailedPrecondition,
            format!("the {runtime} library {} cannot be opened: {error}", path.display()),
        )),
    }
}
