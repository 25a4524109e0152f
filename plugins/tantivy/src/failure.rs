// SPDX-License-Identifier: MIT
//! What an operation answers when it is not WEIR_OK, and the wall that no panic passes.

use std::cell::RefCell;
use std::ffi::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use tantivy::directory::error::{LockError, OpenDirectoryError, OpenReadError};
use tantivy::TantivyError;

use crate::ffi::{WeirError, WeirStatus, WEIR_FATAL, WEIR_OK, WEIR_RETRY};

pub struct Failure {
    pub status: WeirStatus,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

pub fn retry(message: impl Into<String>) -> Failure {
    Failure { status: WEIR_RETRY, message: message.into() }
}

pub fn fatal(message: impl Into<String>) -> Failure {
    Failure { status: WEIR_FATAL, message: message.into() }
}

impl Failure {
    /// The same, saying where.
    pub fn at(self, path: &std::path::Path) -> Failure {
        Failure { message: format!("{}: {}", path.display(), self.message), ..self }
    }
}

/// Whether a file that the index named was gone: the writer had merged it away meanwhile.
pub fn is_missing_file(error: &TantivyError) -> bool {
    match error {
        TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_)) => true,
        TantivyError::IoError(error) => error.kind() == std::io::ErrorKind::NotFound,
        TantivyError::OpenDirectoryError(OpenDirectoryError::DoesNotExist(_)) => true,
        _ => false,
    }
}

/// tantivy may quote a whole file; the line has to end with the way out.
fn brief(error: &TantivyError) -> String {
    error.to_string().chars().take(150).collect()
}

impl From<TantivyError> for Failure {
    fn from(error: TantivyError) -> Failure {
        match error {
            TantivyError::LockFailure(LockError::LockBusy, _) => {
                retry("the index is locked by another writer; is a second indexer running?")
            }
            TantivyError::DataCorruption(_)
            | TantivyError::IncompatibleIndex(_)
            | TantivyError::OpenReadError(OpenReadError::IncompatibleIndex(_))
            | TantivyError::DeserializeError(_)
            | TantivyError::SchemaError(_)
            | TantivyError::MissingPlugin(_) => {
                fatal(format!("the index cannot be read ({}); make it anew: weir rebuild", brief(&error)))
            }
            _ => retry(brief(&error)),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        retry(error.to_string())
    }
}

/// Copies text with its NUL, cut to fit between two characters, on one line.
pub fn write_line(out: &mut [c_char], text: &str) {
    let mut length = 0;
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes).as_bytes();
        if length + bytes.len() >= out.len() {
            break;
        }
        for byte in bytes {
            out[length] = *byte as c_char;
            length += 1;
        }
    }
    out[length] = 0;
}

thread_local! {
    /// Where this thread's last panic was, for the line that tells of it.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Rust would print a panic to stderr, which is not ours: keep it for the error line instead.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            PANIC.with(|kept| *kept.borrow_mut() = panic.to_string());
        }))
    });
}

/// Runs an operation: its failure, or its panic, becomes a status and a line. Panics are RETRY, so that the
/// host abandons what was applied and finds the document that caused it by halving.
pub fn guard(error: *mut WeirError, operation: impl FnOnce() -> Outcome<()>) -> WeirStatus {
    keep_panics();
    let failure = match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(())) => return WEIR_OK,
        Ok(Err(failure)) => failure,
        Err(_) => retry(format!("a bug: {}", PANIC.with(|kept| kept.borrow().clone()))),
    };
    // SAFETY: the host hands every operation an error to write to, or NULL.
    if let Some(error) = unsafe { error.as_mut() } {
        write_line(&mut error.message, &format!("tantivy: {}", failure.message));
    }
    failure.status
}

/// The same for what answers nothing.
pub fn guard_quietly(operation: impl FnOnce()) {
    keep_panics();
    let _ = catch_unwind(AssertUnwindSafe(operation));
}
