//! A function as a type, and the exports the host calls.

use alloc::string::ToString;
use core::cell::UnsafeCell;

use crate::{log, Level, Result};

/// A function: made once per instance, handed every frame.
pub trait Function: Sized {
    /// Called once, before the first frame.
    fn init() -> Result<Self>;

    /// Called for every frame. An error fails the frame; it goes to the log.
    fn handle(&mut self) -> Result<()>;
}

/// Where [`function!`](crate::function) keeps the function. Not to be used by hand.
#[doc(hidden)]
pub struct Slot<F>(UnsafeCell<Option<F>>);

// An instance has one thread, and the host calls one export at a time.
unsafe impl<F> Sync for Slot<F> {}

#[doc(hidden)]
impl<F: Function> Slot<F> {
    pub const fn new() -> Self {
        Slot(UnsafeCell::new(None))
    }

    pub fn init(&self) -> i32 {
        status(F::init().map(|function| unsafe { *self.0.get() = Some(function) }))
    }

    pub fn handle(&self) -> i32 {
        match unsafe { &mut *self.0.get() } {
            Some(function) => status(function.handle()),
            None => status(Err("weft_init was not called, or failed".into())),
        }
    }
}

fn status(result: Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            log(Level::Error, &error.to_string());
            1
        }
    }
}

/// Exports a type with [`Function`](crate::Function) as this module's function.
#[macro_export]
macro_rules! function {
    ($function:ty) => {
        static WEFT_FUNCTION: $crate::Slot<$function> = $crate::Slot::new();

        #[no_mangle]
        pub extern "C" fn weft_init() -> i32 {
            WEFT_FUNCTION.init()
        }

        #[no_mangle]
        pub extern "C" fn weft_handle() -> i32 {
            WEFT_FUNCTION.handle()
        }
    };
}
