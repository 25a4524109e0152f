// SPDX-License-Identifier: MIT
//! What a reader asks of one snapshot.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::columnar::{BytesColumn, Column};
use tantivy::index::SegmentReader;
use tantivy::DocAddress;

use crate::document::Record;
use crate::failure::{fatal, Outcome};
use crate::ffi::*;
use crate::fields::{Plan, KIND, VERSION};
use crate::host::Host;
use crate::query;
use crate::rank::{self, Found};
use crate::sets::Kept;
use crate::snapshot::{column, Snapshot};
use crate::view;

/// Hands out hits until on_hit wants no more, and answers how many match.
pub fn search(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    kept: &Kept,
    search: &WeirSearch,
    mut on_hit: impl FnMut(&Record, f32) -> bool,
) -> Outcome<u64> {
    // SAFETY: the header says that there is always a query, and perhaps a filter.
    let (wanted, filter) = unsafe { (&*search.query, search.filter.as_ref()) };
    let built = query::filtered(plan, host, wanted, filter)?;
    if wanted.kind == WEIR_QUERY_ALL && filter.is_none() && search.sort_count == 0 && search.limit > 0 {
        browse(snapshot, plan, host, search, on_hit)?;
        return rank::count(&snapshot.searcher, host, &*built.query);
    }
    let keys = rank::keys(plan, view::list(search.sort, search.sort_count))?;
    let searcher = &snapshot.searcher;
    if search.limit == 0 {
        return rank::count(searcher, host, &*built.query);
    }
    let count = search.offset.saturating_add(search.limit);
    let ranked = rank::search(snapshot, host, kept, &built, &keys, count)?;
    for Found { address, score } in ranked.found.into_iter().skip(search.offset) {
        let document = snapshot.stored(address)?;
        if !on_hit(&Record::of(plan, &document)?, score) {
            break;
        }
    }
    Ok(ranked.total)
}

/// Everything matches alike: the hits are the first ids.
fn browse(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    search: &WeirSearch,
    mut on_hit: impl FnMut(&Record, f32) -> bool,
) -> Outcome<()> {
    let (mut skip, mut left) = (search.offset, search.limit);
    scan(snapshot, host, &[], |scanned| {
        if scanned.kind != WEIR_KIND_LIVE {
            return Ok(true);
        }
        if skip > 0 {
            skip -= 1;
            return Ok(true);
        }
        left -= 1;
        let document = snapshot.stored(scanned.address)?;
        Ok(on_hit(&Record::of(plan, &document)?, 0.0) && left > 0)
    })
}

pub fn get(snapshot: &Snapshot, plan: &Plan, id: &[u8], on_hit: impl FnOnce(&Record)) -> Outcome<()> {
    if let Some(address) = snapshot.find(id)? {
        let document = snapshot.stored(address)?;
        let record = Record::of(plan, &document)?;
        if record.kind == WEIR_KIND_LIVE {
            on_hit(&record);
        }
    }
    Ok(())
}

/// A segment's ids from one on, in order.
struct Ids<'a> {
    next: Box<dyn FnMut() -> Option<(Vec<u8>, u64)> + 'a>,
    versions: Column<i64>,
    kinds: Column<u64>,
}

fn ids_from<'a>(column: &'a BytesColumn, reader: &SegmentReader, from: &[u8]) -> Outcome<Ids<'a>> {
    let mut stream = column.dictionary().range().ge(from).into_stream()?;
    let next = move || stream.advance().then(|| (stream.key().to_vec(), stream.term_ord()));
    Ok(Ids {
        next: Box::new(next),
        versions: self::column(reader, VERSION)?,
        kinds: self::column(reader, KIND)?,
    })
}

/// One document that scan came to.
pub struct Scanned<'a> {
    pub id: &'a [u8],
    pub version: i64,
    pub kind: u32,
    pub address: DocAddress,
}

/// Every document with id >= from, in byte order of id, until on_scan wants no more.
pub fn scan(
    snapshot: &Snapshot,
    host: &Host,
    from: &[u8],
    mut on_scan: impl FnMut(&Scanned) -> Outcome<bool>,
) -> Outcome<()> {
    let readers = snapshot.searcher.segment_readers();
    let by_id = snapshot.by_id.iter();
    let columns = by_id.zip(readers).map(|(by_id, reader)| by_id.ids(reader)).collect::<Outcome<Vec<_>>>()?;
    let mut segments = Vec::new();
    let mut waiting: BinaryHeap<Reverse<(Vec<u8>, usize, u64)>> = BinaryHeap::new();
    for (number, (column, reader)) in columns.into_iter().zip(readers).enumerate() {
        let mut segment = ids_from(column, reader, from)?;
        waiting.extend((segment.next)().map(|(id, order)| Reverse((id, number, order))));
        segments.push(segment);
    }
    while let Some(Reverse((id, number, order))) = waiting.pop() {
        host.check()?;
        let (segment, reader) = (&mut segments[number], &readers[number]);
        if let Some(doc) = snapshot.by_id[number].living(reader, order)? {
            let scanned = Scanned {
                id: &id,
                version: segment.versions.first(doc).ok_or_else(lost)?,
                kind: segment.kinds.first(doc).ok_or_else(lost)? as u32,
                address: DocAddress::new(number as u32, doc),
            };
            if !on_scan(&scanned)? {
                return Ok(());
            }
        }
        waiting.extend((segment.next)().map(|(id, order)| Reverse((id, number, order))));
    }
    Ok(())
}

fn lost() -> crate::failure::Failure {
    fatal("a document of the index has lost its version; make the index anew: weir rebuild")
}

/// As scan, with the states.
pub fn scan_states(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    from: &[u8],
    mut on_state: impl FnMut(&Scanned, &[u8]) -> bool,
) -> Outcome<()> {
    scan(snapshot, host, from, |scanned| {
        let document = snapshot.stored(scanned.address)?;
        Ok(on_state(scanned, Record::of(plan, &document)?.state))
    })
}
