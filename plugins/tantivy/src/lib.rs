// SPDX-License-Identifier: MIT
//! Weir's index on tantivy: the manifest. How the parts hang together:
//!
//! `operations` is called by the host and calls `writer` (the one writer of an index) and `session` (what a
//! reader asks of a `snapshot`). The writer has `intake`, where documents become segments, `segments`, which knows
//! where each lies, and `merges`. `place` is the folder and `files` what lies in it, `payload` what a commit carries
//! beside documents, `fields` the layout, `document`, `words`, `forms`, `query`, `near`, `sets`, `rank`, `prune` and `facets` what
//! becomes of documents and queries.
//! `ffi` and `view` are the boundary, `host` and `failure` what goes back over it.

mod document;
mod facets;
mod failure;
mod ffi;
mod fields;
mod files;
mod forms;
mod host;
mod intake;
mod merges;
mod near;
mod operations;
mod payload;
mod place;
mod prune;
mod query;
mod rank;
mod segments;
mod session;
mod sets;
mod snapshot;
mod view;
mod words;
mod writer;

use ffi::*;

/// What may be in memory before it becomes a segment; as the parameter's default says below.
const BUFFER_MIB: i64 = 32;

/// The tables hold pointers, to what never changes: they may be seen by any thread.
#[repr(transparent)]
struct Table<T>(T);
// SAFETY: see above.
unsafe impl<T> Sync for Table<T> {}

static PATH: Table<WeirParameter> = Table(WeirParameter {
    key: c"path".as_ptr(),
    r#type: WEIR_PARAMETER_PATH,
    default_value: c"weir-data/index.tantivy".as_ptr(),
    minimum: 0,
    maximum: 0,
    help: c"The folder of the index; the indexer creates it.".as_ptr(),
});
static BUFFER: Table<WeirParameter> = Table(WeirParameter {
    key: c"buffer_mib".as_ptr(),
    r#type: WEIR_PARAMETER_INTEGER,
    default_value: c"32".as_ptr(),
    minimum: 16,
    maximum: 4000,
    help: c"Memory that the indexer fills before it writes a segment, in MiB.".as_ptr(),
});
static PARAMETERS: Table<[*const WeirParameter; 2]> = Table([&PATH.0, &BUFFER.0]);

static OPERATIONS: WeirOperations = WeirOperations {
    size: std::mem::size_of::<WeirOperations>(),
    open: Some(operations::open),
    close: Some(operations::close),
    fetch: Some(operations::fetch),
    apply: Some(operations::apply),
    commit: Some(operations::commit),
    sync: Some(operations::sync),
    abandon: Some(operations::abandon),
    positions: Some(operations::positions),
    expire: Some(operations::expire),
    maintain: Some(operations::maintain),
    stats: Some(operations::stats),
    session_open: Some(operations::session_open),
    session_close: Some(operations::session_close),
    refresh: Some(operations::refresh),
    search: Some(operations::search),
    get: Some(operations::get),
    scan: Some(operations::scan),
    session_positions: Some(operations::session_positions),
    suggest: None,
    scan_states: Some(operations::scan_states),
    facets: Some(operations::facets),
};

static MANIFEST: Table<WeirManifest> = Table(WeirManifest {
    magic: WEIR_BACKEND_MAGIC,
    abi_major: WEIR_ABI_MAJOR,
    abi_minor: WEIR_ABI_MINOR,
    thread_model: WEIR_THREADS_PER_SESSION,
    reserved: 0,
    capabilities: WEIR_CAN_COMMIT_POSITIONS
        | WEIR_CAN_SYNC
        | WEIR_CAN_MAINTAIN
        | WEIR_CAN_SEARCH
        | WEIR_CAN_SCAN_STATES
        | WEIR_CAN_FACET,
    name: c"tantivy".as_ptr(),
    version: c"0.1.0".as_ptr(),
    license: c"MIT AND Apache-2.0 AND Zlib AND Unicode-3.0".as_ptr(),
    description: c"tantivy: an embedded index in a folder, in Rust, for one machine".as_ptr(),
    parameters: PARAMETERS.0.as_ptr(),
    parameter_count: 2,
    operations: &OPERATIONS,
});

/// The one symbol of the plug-in.
#[no_mangle]
pub extern "C" fn weir_backend_manifest() -> *const WeirManifest {
    &MANIFEST.0
}
