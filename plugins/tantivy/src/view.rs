// SPDX-License-Identifier: MIT
//! Safe sight of what the host hands over. Everything unsafe about reading it stands here, and rests on one
//! promise of the header: pointers are good for the length of a call, lengths are true.

use std::ffi::{c_char, c_void, CStr};

use crate::ffi::*;

/// An array may be NULL when it is empty.
pub fn bytes<'a>(start: *const c_char, length: usize) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

pub fn blob<'a>(start: *const c_void, length: usize) -> &'a [u8] {
    bytes(start.cast(), length)
}

/// A NUL-terminated name; NULL is none.
pub fn name<'a>(start: *const c_char) -> Option<&'a CStr> {
    // SAFETY: see above.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) })
}

pub fn text(start: *const c_char) -> String {
    name(start).map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

/// An array of pointers, none of them NULL.
pub fn list<'a, T: 'a>(start: *const *const T, count: usize) -> impl Iterator<Item = &'a T> {
    let pointers: &[*const T] =
        // SAFETY: see above.
        if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, count) } };
    // SAFETY: see above.
    pointers.iter().map(|pointer| unsafe { &**pointer })
}

pub fn numbers<'a>(start: *const usize, count: usize) -> &'a [usize] {
    if count == 0 {
        return &[];
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(start, count) }
}

pub fn fields(wanted: &WeirFacets) -> &[i32] {
    if wanted.field_count == 0 {
        return &[];
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(wanted.fields, wanted.field_count) }
}

impl WeirValue {
    pub fn bytes(&self) -> &[u8] {
        bytes(self.text, self.text_length)
    }
}

impl WeirDocument {
    pub fn id(&self) -> &[u8] {
        bytes(self.id, self.id_length)
    }

    pub fn state(&self) -> &[u8] {
        blob(self.state, self.state_length)
    }

    pub fn values(&self) -> impl Iterator<Item = &WeirValue> {
        list(self.values, self.value_count)
    }
}

impl WeirQuery {
    pub fn text(&self) -> &[u8] {
        bytes(self.text, self.text_length)
    }

    pub fn children(&self) -> impl Iterator<Item = &WeirQuery> {
        list(self.children, self.child_count)
    }
}
