// SPDX-License-Identifier: MIT
//! weir/backend.h in Rust, by hand: the same names, in Rust's spelling for structs. Each struct, offset,
//! size and value is compared with the C header by tests/plugin/test_abi.py; what the members mean is said
//! there, in the header.

#![allow(dead_code)]

use std::ffi::{c_char, c_int, c_void};

pub const WEIR_BACKEND_MAGIC: u64 = 0x31444e4542524557;
pub const WEIR_ABI_MAJOR: u32 = 1;
pub const WEIR_ABI_MINOR: u32 = 2;

pub type WeirStatus = i32;
pub const WEIR_OK: WeirStatus = 0;
pub const WEIR_RETRY: WeirStatus = 10;
pub const WEIR_FATAL: WeirStatus = 20;

#[repr(C)]
pub struct WeirError {
    pub message: [c_char; 512],
}

pub const WEIR_TYPE_TEXT: u32 = 10;
pub const WEIR_TYPE_KEYWORD: u32 = 20;
pub const WEIR_TYPE_NUMBER: u32 = 30;
pub const WEIR_TYPE_DATE: u32 = 40;
pub const WEIR_TYPE_BOOLEAN: u32 = 50;

pub const WEIR_FIELD_SEARCH: u32 = 1 << 0;
pub const WEIR_FIELD_FILTER: u32 = 1 << 1;
pub const WEIR_FIELD_SORT: u32 = 1 << 2;
pub const WEIR_FIELD_FACET: u32 = 1 << 3;
pub const WEIR_FIELD_SUGGEST: u32 = 1 << 4;

pub const WEIR_FIELD_DEFAULT: i32 = -1;

#[repr(C)]
pub struct WeirField {
    pub name: *const c_char,
    pub r#type: u32,
    pub flags: u32,
    pub boost: f64,
    pub language: *const c_char,
}

#[repr(C)]
pub struct WeirSchema {
    pub name: *const c_char,
    pub fingerprint: *const c_char,
    pub fields: *const *const WeirField,
    pub field_count: usize,
}

#[repr(C)]
pub struct WeirValue {
    pub field: i32,
    pub r#type: u32,
    pub text: *const c_char,
    pub text_length: usize,
    pub number: f64,
    pub integer: i64,
}

pub const WEIR_KIND_LIVE: u32 = 10;
pub const WEIR_KIND_HIDDEN: u32 = 20;

#[repr(C)]
pub struct WeirDocument {
    pub id: *const c_char,
    pub id_length: usize,
    pub kind: u32,
    pub version: i64,
    pub applied_at: i64,
    pub revision: *const c_void,
    pub revision_length: usize,
    pub state: *const c_void,
    pub state_length: usize,
    pub values: *const *const WeirValue,
    pub value_count: usize,
}

pub const WEIR_ACCEPTED: u32 = 10;
pub const WEIR_REJECTED: u32 = 20;
pub const WEIR_CONFLICT: u32 = 30;

#[repr(C)]
pub struct WeirVerdict {
    pub kind: u32,
    pub reason: [c_char; 252],
}

#[repr(C)]
pub struct WeirPosition {
    pub cluster: *const c_char,
    pub topic: *const c_char,
    pub topic_id: *const c_char,
    pub partition: i32,
    pub next_offset: i64,
}

pub const WEIR_QUERY_ALL: u32 = 10;
pub const WEIR_QUERY_NONE: u32 = 15;
pub const WEIR_QUERY_TERM: u32 = 20;
pub const WEIR_QUERY_PHRASE: u32 = 30;
pub const WEIR_QUERY_PREFIX: u32 = 40;
pub const WEIR_QUERY_FUZZY: u32 = 50;
pub const WEIR_QUERY_EXACT: u32 = 60;
pub const WEIR_QUERY_RANGE: u32 = 70;
pub const WEIR_QUERY_AND: u32 = 80;
pub const WEIR_QUERY_OR: u32 = 90;
pub const WEIR_QUERY_NOT: u32 = 100;
pub const WEIR_QUERY_BOOST: u32 = 110;

pub const WEIR_RANGE_HAS_LOWER: u32 = 1 << 0;
pub const WEIR_RANGE_HAS_UPPER: u32 = 1 << 1;
pub const WEIR_RANGE_LOWER_OPEN: u32 = 1 << 2;
pub const WEIR_RANGE_UPPER_OPEN: u32 = 1 << 3;

#[repr(C)]
pub struct WeirQuery {
    pub kind: u32,
    pub field: i32,
    pub text: *const c_char,
    pub text_length: usize,
    pub distance: u32,
    pub range_flags: u32,
    pub lower: WeirValue,
    pub upper: WeirValue,
    pub boost: f64,
    pub children: *const *const WeirQuery,
    pub child_count: usize,
}

#[repr(C)]
pub struct WeirSortKey {
    pub field: i32,
    pub descending: u32,
}

#[repr(C)]
pub struct WeirSearch {
    pub query: *const WeirQuery,
    pub filter: *const WeirQuery,
    pub sort: *const *const WeirSortKey,
    pub sort_count: usize,
    pub offset: usize,
    pub limit: usize,
}

#[repr(C)]
pub struct WeirHit {
    pub id: *const c_char,
    pub id_length: usize,
    pub version: i64,
    pub score: f64,
    pub state: *const c_void,
    pub state_length: usize,
}

pub const WEIR_TOTAL_EXACT: u64 = 10000;

#[repr(C)]
pub struct WeirSearchResult {
    pub total: u64,
    pub total_is_lower_bound: u32,
}

#[repr(C)]
pub struct WeirFacets {
    pub query: *const WeirQuery,
    pub filter: *const WeirQuery,
    pub fields: *const i32,
    pub field_count: usize,
    pub limit: usize,
}

pub type WeirOnState = unsafe extern "C" fn(
    context: *mut c_void,
    index: usize,
    found: c_int,
    state: *const c_void,
    state_length: usize,
    revision: *const c_void,
    revision_length: usize,
) -> c_int;
pub type WeirOnPosition = unsafe extern "C" fn(context: *mut c_void, position: *const WeirPosition) -> c_int;
pub type WeirOnHit = unsafe extern "C" fn(context: *mut c_void, hit: *const WeirHit) -> c_int;
pub type WeirOnScan = unsafe extern "C" fn(
    context: *mut c_void,
    id: *const c_char,
    id_length: usize,
    version: i64,
    kind: u32,
) -> c_int;
pub type WeirOnStat = unsafe extern "C" fn(context: *mut c_void, name: *const c_char, value: f64) -> c_int;
pub type WeirOnSuggestion = unsafe extern "C" fn(
    context: *mut c_void,
    text: *const c_char,
    text_length: usize,
    documents: u64,
) -> c_int;
pub type WeirOnScanState = unsafe extern "C" fn(
    context: *mut c_void,
    id: *const c_char,
    id_length: usize,
    version: i64,
    kind: u32,
    state: *const c_void,
    state_length: usize,
) -> c_int;
pub type WeirOnFacet = unsafe extern "C" fn(
    context: *mut c_void,
    index: usize,
    value: *const c_char,
    value_length: usize,
    count: u64,
) -> c_int;
pub type WeirOnWord = unsafe extern "C" fn(
    context: *mut c_void,
    word: *const c_char,
    word_length: usize,
    stem: *const c_char,
    stem_length: usize,
) -> c_int;

pub const WEIR_WORD_CUT: usize = 128;
pub const WEIR_WORD_LIMIT: usize = 160;

pub const WEIR_LOG_DEBUG: u32 = 10;
pub const WEIR_LOG_INFO: u32 = 20;
pub const WEIR_LOG_WARNING: u32 = 30;
pub const WEIR_LOG_ERROR: u32 = 40;

#[repr(C)]
pub struct WeirHost {
    pub size: usize,
    pub context: *mut c_void,
    pub log: unsafe extern "C" fn(context: *mut c_void, level: u32, line: *const c_char),
    pub cancelled: unsafe extern "C" fn(context: *mut c_void) -> c_int,
    pub clock: unsafe extern "C" fn(context: *mut c_void) -> i64,
    pub split: unsafe extern "C" fn(
        context: *mut c_void,
        text: *const c_char,
        length: usize,
        language: *const c_char,
        on_word: WeirOnWord,
        word_context: *mut c_void,
    ) -> c_int,
    pub sort_key: unsafe extern "C" fn(
        context: *mut c_void,
        text: *const c_char,
        length: usize,
        out: *mut c_char,
        limit: usize,
    ) -> usize,
}

pub const WEIR_PARAMETER_TEXT: u32 = 10;
pub const WEIR_PARAMETER_INTEGER: u32 = 20;
pub const WEIR_PARAMETER_BOOLEAN: u32 = 30;
pub const WEIR_PARAMETER_PATH: u32 = 40;
pub const WEIR_PARAMETER_SECRET: u32 = 50;

#[repr(C)]
pub struct WeirParameter {
    pub key: *const c_char,
    pub r#type: u32,
    pub default_value: *const c_char,
    pub minimum: i64,
    pub maximum: i64,
    pub help: *const c_char,
}

#[repr(C)]
pub struct WeirParameterValue {
    pub text: *const c_char,
    pub integer: i64,
}

pub const WEIR_MODE_WRITER: u32 = 10;
pub const WEIR_MODE_READER: u32 = 20;

/// Ours to define; the host only passes pointers to them.
#[repr(C)]
pub struct WeirInstance {
    _opaque: [u8; 0],
}
#[repr(C)]
pub struct WeirSession {
    _opaque: [u8; 0],
}

type InstanceCall = unsafe extern "C" fn(instance: *mut WeirInstance, error: *mut WeirError) -> WeirStatus;

#[repr(C)]
pub struct WeirOperations {
    pub size: usize,
    pub open: Option<
        unsafe extern "C" fn(
            values: *const *const WeirParameterValue,
            value_count: usize,
            schema: *const WeirSchema,
            mode: u32,
            host: *const WeirHost,
            instance: *mut *mut WeirInstance,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub close: Option<unsafe extern "C" fn(instance: *mut WeirInstance)>,
    pub fetch: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            ids: *const *const c_char,
            id_lengths: *const usize,
            count: usize,
            on_state: WeirOnState,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub apply: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            documents: *const *const WeirDocument,
            count: usize,
            verdicts: *const *mut WeirVerdict,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub commit: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            positions: *const *const WeirPosition,
            count: usize,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub sync: Option<InstanceCall>,
    pub abandon: Option<InstanceCall>,
    pub positions: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            on_position: WeirOnPosition,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub expire: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            before: i64,
            removed: *mut u64,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub maintain: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            budget_ms: u32,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub stats: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            on_stat: WeirOnStat,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub session_open: Option<
        unsafe extern "C" fn(
            instance: *mut WeirInstance,
            host: *const WeirHost,
            session: *mut *mut WeirSession,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub session_close: Option<unsafe extern "C" fn(session: *mut WeirSession)>,
    pub refresh: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            generation: *mut u64,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub search: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            search: *const WeirSearch,
            on_hit: Option<WeirOnHit>,
            context: *mut c_void,
            result: *mut WeirSearchResult,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub get: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            id: *const c_char,
            id_length: usize,
            on_hit: WeirOnHit,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub scan: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            from: *const c_char,
            from_length: usize,
            on_scan: WeirOnScan,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub session_positions: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            on_position: WeirOnPosition,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub suggest: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            text: *const c_char,
            text_length: usize,
            limit: usize,
            on_suggestion: WeirOnSuggestion,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub scan_states: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            from: *const c_char,
            from_length: usize,
            on_state: WeirOnScanState,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
    pub facets: Option<
        unsafe extern "C" fn(
            session: *mut WeirSession,
            wanted: *const WeirFacets,
            on_facet: WeirOnFacet,
            context: *mut c_void,
            error: *mut WeirError,
        ) -> WeirStatus,
    >,
}

pub const WEIR_THREADS_SERIAL: u32 = 10;
pub const WEIR_THREADS_PER_SESSION: u32 = 20;
pub const WEIR_THREADS_PARALLEL: u32 = 30;

pub const WEIR_CAN_COMMIT_POSITIONS: u64 = 1 << 0;
pub const WEIR_CAN_SYNC: u64 = 1 << 1;
pub const WEIR_CAN_MAINTAIN: u64 = 1 << 2;
pub const WEIR_CAN_SUGGEST: u64 = 1 << 3;
pub const WEIR_CAN_FUZZY: u64 = 1 << 4;
pub const WEIR_CAN_SEARCH: u64 = 1 << 5;
pub const WEIR_CAN_SHARE: u64 = 1 << 6;
pub const WEIR_CAN_SCAN_STATES: u64 = 1 << 7;
pub const WEIR_CAN_FACET: u64 = 1 << 8;

#[repr(C)]
pub struct WeirManifest {
    pub magic: u64,
    pub abi_major: u32,
    pub abi_minor: u32,
    pub thread_model: u32,
    pub reserved: u32,
    pub capabilities: u64,
    pub name: *const c_char,
    pub version: *const c_char,
    pub license: *const c_char,
    pub description: *const c_char,
    pub parameters: *const *const WeirParameter,
    pub parameter_count: usize,
    pub operations: *const WeirOperations,
}
