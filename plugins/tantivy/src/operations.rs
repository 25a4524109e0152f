// SPDX-License-Identifier: MIT
//! The operations as the host calls them. They turn pointers into what the other modules take, and what those
//! answer into calls of the host's callbacks; nothing else is decided here.
//!
//! Safety of all of them: the host keeps to the header. Its pointers are good for the call, an instance and a
//! session are what open and session_open gave it, and it calls as WEIR_THREADS_PER_SESSION says: one operation
//! of the instance at a time, sessions beside it and beside each other.

use std::ffi::{c_char, c_int, c_void, CString};
use std::sync::{Arc, Mutex, PoisonError};

use crate::document::Record;
use crate::facets::{self, Numbers};
use crate::failure::{fatal, guard, guard_quietly, retry, Outcome};
use crate::ffi::*;
use crate::fields::Plan;
use crate::host::Host;
use crate::payload::{Payload, Position};
use crate::place::Place;
use crate::session;
use crate::sets::Kept;
use crate::snapshot::{counts, Reading, Snapshot};
use crate::view;
use crate::writer::Writer;

/// Concurrency: the writer is of the one thread that calls the instance's operations. Sessions share the plan,
/// which never changes, and reading, which its lock guards.
struct Instance {
    place: Place,
    plan: Plan,
    host: Host,
    writer: Option<Writer>,
    reading: Mutex<Option<Reading>>,
    numbers: Numbers,
    kept: Kept,
}

struct Session {
    instance: *const Instance,
    host: Host,
    snapshot: Arc<Snapshot>,
}

impl Instance {
    fn newest(&self) -> Outcome<Arc<Snapshot>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        /* A snapshot that was only half made does not come back: the next one opens anew. */
        let newest = match reading.take() {
            Some(mut kept) => kept.newest(&self.plan).map(|newest| (kept, newest)),
            None => Reading::open(&self.place, &self.plan).and_then(|mut made| {
                let newest = made.newest(&self.plan)?;
                Ok((made, newest))
            }),
        };
        let (kept, newest) = newest?;
        *reading = Some(kept);
        Ok(newest)
    }

    fn writer(&mut self) -> Outcome<&mut Writer> {
        self.writer.as_mut().ok_or_else(|| fatal("the index was opened for reading only"))
    }
}

unsafe fn instance_of<'a>(instance: *mut WeirInstance) -> &'a mut Instance {
    unsafe { &mut *instance.cast() }
}

unsafe fn session_of<'a>(session: *mut WeirSession) -> (&'a mut Session, &'a Instance) {
    let session = unsafe { &mut *session.cast::<Session>() };
    let instance = unsafe { &*session.instance };
    (session, instance)
}

pub unsafe extern "C" fn open(
    values: *const *const WeirParameterValue,
    value_count: usize,
    schema: *const WeirSchema,
    mode: u32,
    host: *const WeirHost,
    instance: *mut *mut WeirInstance,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let mut values = view::list(values, value_count);
        let path = values.next().map(|value| view::text(value.text)).unwrap_or_default();
        if path.is_empty() {
            return Err(fatal("path is missing in [backend.tantivy]; set it"));
        }
        let buffer = values.next().map_or(crate::BUFFER_MIB, |value| value.integer);
        let (place, plan) = (Place::new(&path), Plan::new(unsafe { &*schema }));
        let host = Host::new(host)?;
        let (mut writer, mut reading) = (None, None);
        if mode == WEIR_MODE_WRITER {
            writer = Some(Writer::open(&place, &plan, (buffer as usize) << 20)?);
        } else {
            reading = Some(Reading::open(&place, &plan)?);
        }
        let made = Instance {
            place,
            plan,
            host,
            writer,
            reading: Mutex::new(reading),
            numbers: Numbers::default(),
            kept: Kept::default(),
        };
        unsafe { *instance = Box::into_raw(Box::new(made)).cast() };
        Ok(())
    })
}

pub unsafe extern "C" fn close(instance: *mut WeirInstance) {
    guard_quietly(|| {
        if !instance.is_null() {
            drop(unsafe { Box::from_raw(instance.cast::<Instance>()) });
        }
    })
}

pub unsafe extern "C" fn fetch(
    instance: *mut WeirInstance,
    ids: *const *const c_char,
    id_lengths: *const usize,
    count: usize,
    on_state: WeirOnState,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let instance = unsafe { instance_of(instance) };
        let ids = view::list(ids, count)
            .zip(view::numbers(id_lengths, count))
            .map(|(id, length)| view::bytes(std::ptr::from_ref(id), *length));
        let Instance { writer, plan, .. } = instance;
        let writer = writer.as_mut().ok_or_else(|| fatal("the index was opened for reading only"))?;
        writer.fetch(plan, ids, |index, state| {
            let found = c_int::from(state.is_some());
            let state = state.unwrap_or_default();
            let answer = unsafe {
                on_state(context, index, found, state.as_ptr().cast(), state.len(), std::ptr::null(), 0)
            };
            answer == 0
        })
    })
}

pub unsafe extern "C" fn apply(
    instance: *mut WeirInstance,
    documents: *const *const WeirDocument,
    count: usize,
    verdicts: *const *mut WeirVerdict,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let instance = unsafe { instance_of(instance) };
        let Instance { writer, plan, host, .. } = instance;
        let writer = writer.as_mut().ok_or_else(|| fatal("the index was opened for reading only"))?;
        writer.check_room()?;
        let pairs = view::list(documents, count)
            .enumerate()
            .map(|(index, document)| (document, unsafe { &mut **verdicts.add(index) }));
        writer.apply(plan, host, pairs)
    })
}

pub unsafe extern "C" fn commit(
    instance: *mut WeirInstance,
    positions: *const *const WeirPosition,
    count: usize,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let positions = view::list(positions, count).map(Position::copy);
        let instance = unsafe { instance_of(instance) };
        let host = instance.host;
        instance.writer()?.commit(&host, positions)
    })
}

pub unsafe extern "C" fn sync(instance: *mut WeirInstance, error: *mut WeirError) -> WeirStatus {
    guard(error, || unsafe { instance_of(instance) }.writer()?.sync())
}

/// Merges go on beside everything else: there is no budget to keep to.
pub unsafe extern "C" fn maintain(
    instance: *mut WeirInstance,
    _budget_ms: u32,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || unsafe { instance_of(instance) }.writer()?.maintain())
}

pub unsafe extern "C" fn abandon(instance: *mut WeirInstance, error: *mut WeirError) -> WeirStatus {
    guard(error, || match &mut unsafe { instance_of(instance) }.writer {
        Some(writer) => writer.abandon(),
        None => Ok(()),
    })
}

fn hand_out_positions(
    positions: &[Position],
    on_position: WeirOnPosition,
    context: *mut c_void,
) -> Outcome<()> {
    for position in positions {
        let named = |name: &str| CString::new(name).map_err(|_| retry("a name with a NUL in the index"));
        let (cluster, topic) = (named(&position.cluster)?, named(&position.topic)?);
        let topic_id = named(&position.topic_id)?;
        let handed = WeirPosition {
            cluster: cluster.as_ptr(),
            topic: topic.as_ptr(),
            topic_id: topic_id.as_ptr(),
            partition: position.partition,
            next_offset: position.next_offset,
        };
        if unsafe { on_position(context, &handed) } != 0 {
            break;
        }
    }
    Ok(())
}

pub unsafe extern "C" fn positions(
    instance: *mut WeirInstance,
    on_position: WeirOnPosition,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let instance = unsafe { instance_of(instance) };
        match &instance.writer {
            Some(writer) => hand_out_positions(writer.positions(), on_position, context),
            None => hand_out_positions(&payload_of(&*instance.newest()?).positions, on_position, context),
        }
    })
}

fn payload_of(snapshot: &Snapshot) -> &Payload {
    &snapshot.payload
}

pub unsafe extern "C" fn expire(
    instance: *mut WeirInstance,
    before: i64,
    removed: *mut u64,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let Instance { writer, plan, .. } = unsafe { instance_of(instance) };
        let writer = writer.as_mut().ok_or_else(|| fatal("the index was opened for reading only"))?;
        let count = writer.expire(plan, before)?;
        unsafe { *removed = count };
        Ok(())
    })
}

pub unsafe extern "C" fn stats(
    instance: *mut WeirInstance,
    on_stat: WeirOnStat,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let instance = unsafe { instance_of(instance) };
        let ((live, hidden), segments) = match &mut instance.writer {
            Some(writer) => (writer.counts(), writer.segments()),
            None => {
                let snapshot = instance.newest()?;
                let segments = snapshot.searcher.segment_readers().len();
                (counts(&snapshot.searcher, &instance.plan)?, segments)
            }
        };
        let all = [
            (c"documents_live", live),
            (c"documents_hidden", hidden),
            (c"bytes_on_disk", instance.place.bytes()),
            (c"segments", segments as u64),
        ];
        for (name, value) in all {
            if unsafe { on_stat(context, name.as_ptr(), value as f64) } != 0 {
                break;
            }
        }
        Ok(())
    })
}

pub unsafe extern "C" fn session_open(
    instance: *mut WeirInstance,
    host: *const WeirHost,
    session: *mut *mut WeirSession,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let instance: *const Instance = instance.cast();
        let snapshot = unsafe { &*instance }.newest()?;
        let made = Session { instance, host: Host::new(host)?, snapshot };
        unsafe { *session = Box::into_raw(Box::new(made)).cast() };
        Ok(())
    })
}

pub unsafe extern "C" fn session_close(session: *mut WeirSession) {
    guard_quietly(|| {
        if !session.is_null() {
            drop(unsafe { Box::from_raw(session.cast::<Session>()) });
        }
    })
}

pub unsafe extern "C" fn refresh(
    session: *mut WeirSession,
    generation: *mut u64,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, instance) = unsafe { session_of(session) };
        session.snapshot = instance.newest()?;
        unsafe { *generation = session.snapshot.payload.generation() };
        Ok(())
    })
}

fn hand_out_hit(record: &Record, score: f32, on_hit: WeirOnHit, context: *mut c_void) -> bool {
    let hit = WeirHit {
        id: record.id.as_ptr().cast(),
        id_length: record.id.len(),
        version: record.version,
        score: score.into(),
        state: record.state.as_ptr().cast(),
        state_length: record.state.len(),
    };
    unsafe { on_hit(context, &hit) == 0 }
}

pub unsafe extern "C" fn search(
    session: *mut WeirSession,
    search: *const WeirSearch,
    on_hit: Option<WeirOnHit>,
    context: *mut c_void,
    result: *mut WeirSearchResult,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, instance) = unsafe { session_of(session) };
        let search = unsafe { &*search };
        let hand_out = |record: &Record, score: f32| {
            on_hit.is_some_and(|on_hit| hand_out_hit(record, score, on_hit, context))
        };
        let Instance { plan, kept, .. } = instance;
        let total = session::search(&session.snapshot, plan, &session.host, kept, search, hand_out)?;
        unsafe { *result = WeirSearchResult { total, total_is_lower_bound: 0 } };
        Ok(())
    })
}

pub unsafe extern "C" fn facets(
    session: *mut WeirSession,
    wanted: *const WeirFacets,
    on_facet: WeirOnFacet,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, instance) = unsafe { session_of(session) };
        let (snapshot, Instance { plan, numbers, kept, .. }) = (&session.snapshot, instance);
        let hand_out = |index: usize, value: &[u8], count: u64| unsafe {
            on_facet(context, index, value.as_ptr().cast(), value.len(), count) == 0
        };
        facets::facets(snapshot, plan, &session.host, (numbers, kept), unsafe { &*wanted }, hand_out)
    })
}

pub unsafe extern "C" fn get(
    session: *mut WeirSession,
    id: *const c_char,
    id_length: usize,
    on_hit: WeirOnHit,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, instance) = unsafe { session_of(session) };
        session::get(&session.snapshot, &instance.plan, view::bytes(id, id_length), |record| {
            hand_out_hit(record, 0.0, on_hit, context);
        })
    })
}

pub unsafe extern "C" fn scan(
    session: *mut WeirSession,
    from: *const c_char,
    from_length: usize,
    on_scan: WeirOnScan,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, _) = unsafe { session_of(session) };
        let from = view::bytes(from, from_length);
        session::scan(&session.snapshot, &session.host, from, |at| {
            let id = at.id.as_ptr().cast();
            Ok(unsafe { on_scan(context, id, at.id.len(), at.version, at.kind) } == 0)
        })
    })
}

pub unsafe extern "C" fn scan_states(
    session: *mut WeirSession,
    from: *const c_char,
    from_length: usize,
    on_state: WeirOnScanState,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, instance) = unsafe { session_of(session) };
        let from = view::bytes(from, from_length);
        session::scan_states(&session.snapshot, &instance.plan, &session.host, from, |at, state| {
            let id = at.id.as_ptr().cast();
            let (start, length) = (state.as_ptr().cast(), state.len());
            unsafe { on_state(context, id, at.id.len(), at.version, at.kind, start, length) == 0 }
        })
    })
}

pub unsafe extern "C" fn session_positions(
    session: *mut WeirSession,
    on_position: WeirOnPosition,
    context: *mut c_void,
    error: *mut WeirError,
) -> WeirStatus {
    guard(error, || {
        let (session, _) = unsafe { session_of(session) };
        hand_out_positions(&session.snapshot.payload.positions, on_position, context)
    })
}
