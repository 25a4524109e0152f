// SPDX-License-Identifier: MIT
//! The services of the host: words, sort keys, whether it has lost patience.

use std::ffi::{c_char, c_int, c_void, CStr};

use crate::failure::{fatal, retry, Failure, Outcome};
use crate::ffi::{WeirHost, WEIR_WORD_LIMIT};
use crate::view;

/// Lives as long as the instance or session that it was given to; so says the header.
#[derive(Clone, Copy)]
pub struct Host(*const WeirHost);

// SAFETY: the header lets its functions be called from any thread.
unsafe impl Send for Host {}
unsafe impl Sync for Host {}

struct Words<'a> {
    on_word: &'a mut dyn FnMut(&str, &str),
}

unsafe extern "C" fn hand_on_word(
    context: *mut c_void,
    word: *const c_char,
    word_length: usize,
    stem: *const c_char,
    stem_length: usize,
) -> c_int {
    // SAFETY: the context is the Words of split below, which waits for this call.
    let words = unsafe { &mut *context.cast::<Words>() };
    let word = std::str::from_utf8(view::bytes(word, word_length)).unwrap_or("");
    let stem = std::str::from_utf8(view::bytes(stem, stem_length)).unwrap_or(word);
    debug_assert!(word.len() <= WEIR_WORD_LIMIT);
    if !word.is_empty() {
        (words.on_word)(word, stem);
    }
    0
}

impl Host {
    pub fn new(host: *const WeirHost) -> Outcome<Host> {
        // SAFETY: the host hands over a struct whose size it says at its beginning.
        let size = unsafe { (*host).size };
        if size < std::mem::size_of::<WeirHost>() {
            return Err(fatal("this Weir is too old: it does not split words for its plug-ins"));
        }
        Ok(Host(host))
    }

    fn get(&self) -> &WeirHost {
        // SAFETY: see the type.
        unsafe { &*self.0 }
    }

    /// Calls on_word with each word and its stem, in order.
    pub fn split(
        &self,
        text: &[u8],
        language: Option<&CStr>,
        on_word: &mut dyn FnMut(&str, &str),
    ) -> Outcome<()> {
        let host = self.get();
        let mut words = Words { on_word };
        let language = language.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: text and words outlive the call. on_word pushes to vectors, which does not panic.
        let answer = unsafe {
            (host.split)(
                host.context,
                text.as_ptr().cast(),
                text.len(),
                language,
                hand_on_word,
                (&raw mut words).cast(),
            )
        };
        if answer == 0 {
            Ok(())
        } else {
            Err(retry("out of memory while splitting words"))
        }
    }

    /// Writes to out and answers how many bytes.
    pub fn sort_key(&self, text: &[u8], out: &mut [u8]) -> usize {
        let host = self.get();
        // SAFETY: as many bytes as out has.
        unsafe {
            (host.sort_key)(
                host.context,
                text.as_ptr().cast(),
                text.len(),
                out.as_mut_ptr().cast(),
                out.len(),
            )
        }
    }

    pub fn check(&self) -> Outcome<()> {
        let host = self.get();
        // SAFETY: a function of the host with its context.
        if unsafe { (host.cancelled)(host.context) } != 0 {
            return Err(cancelled());
        }
        Ok(())
    }
}

fn cancelled() -> Failure {
    retry("the host cancelled it")
}
