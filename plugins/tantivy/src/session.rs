// SPDX-License-Identifier: MIT
//! What a reader asks of one snapshot.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::index::InvertedIndexReader;
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermStreamer;
use tantivy::{DocAddress, DocId, DocSet, Searcher, TERMINATED};

use crate::document::Record;
use crate::failure::{fatal, Outcome};
use crate::ffi::*;
use crate::fields::{id_term, Plan, ID_TERM, KIND, VERSION};
use crate::host::Host;
use crate::query;
use crate::rank::{self, Found};
use crate::snapshot::{column, find, stored, Snapshot};
use crate::view;

/// Hands out hits until on_hit wants no more, and answers how many match.
pub fn search(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    search: &WeirSearch,
    mut on_hit: impl FnMut(&Record, f32) -> bool,
) -> Outcome<u64> {
    // SAFETY: the header says that there is always a query, and perhaps a filter.
    let (wanted, filter) = unsafe { (&*search.query, search.filter.as_ref()) };
    let mut built = query::build(plan, host, wanted)?;
    if let Some(filter) = filter {
        built = query::both(built, query::build(plan, host, filter)?);
    }
    let keys = rank::keys(plan, view::list(search.sort, search.sort_count))?;
    let count = if search.limit == 0 { 0 } else { search.offset.saturating_add(search.limit) };
    let (found, total) = rank::search(&snapshot.searcher, host, &*built, &keys, count)?;
    for Found { address, score } in found.into_iter().skip(search.offset) {
        let document = stored(&snapshot.searcher, address)?;
        if !on_hit(&Record::of(plan, &document)?, score) {
            break;
        }
    }
    Ok(total)
}

pub fn get(snapshot: &Snapshot, plan: &Plan, id: &[u8], on_hit: impl FnOnce(&Record)) -> Outcome<()> {
    if let Some(address) = find(&snapshot.searcher, plan, id)? {
        let document = stored(&snapshot.searcher, address)?;
        let record = Record::of(plan, &document)?;
        if record.kind == WEIR_KIND_LIVE {
            on_hit(&record);
        }
    }
    Ok(())
}

/// A segment's ids in order, at one of them.
struct Ids<'a> {
    stream: TermStreamer<'a>,
    inverted: &'a InvertedIndexReader,
    versions: Column<i64>,
    kinds: Column<u64>,
}

fn inverted(searcher: &Searcher, plan: &Plan) -> Outcome<Vec<Arc<InvertedIndexReader>>> {
    let readers = searcher.segment_readers().iter();
    Ok(readers.map(|reader| reader.inverted_index(plan.terms)).collect::<Result<_, _>>()?)
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
    plan: &Plan,
    host: &Host,
    from: &[u8],
    mut on_scan: impl FnMut(&Scanned) -> Outcome<bool>,
) -> Outcome<()> {
    let searcher = &snapshot.searcher;
    let from = id_term(from);
    let dictionaries = inverted(searcher, plan)?;
    let mut segments = Vec::new();
    let mut next: BinaryHeap<Reverse<(Vec<u8>, usize)>> = BinaryHeap::new();
    for (number, (inverted, reader)) in dictionaries.iter().zip(searcher.segment_readers()).enumerate() {
        let mut stream = inverted.terms().range().ge(&from).lt([ID_TERM + 1]).into_stream()?;
        if stream.advance() {
            next.push(Reverse((stream.key().to_vec(), number)));
        }
        let (versions, kinds) = (column(reader, VERSION)?, column(reader, KIND)?);
        segments.push(Ids { stream, inverted, versions, kinds });
    }
    while let Some(Reverse((id, number))) = next.pop() {
        host.check()?;
        let reader = searcher.segment_reader(number as u32);
        let segment = &mut segments[number];
        if let Some(doc) = segment.live_document(|doc| reader.is_deleted(doc))? {
            let scanned = Scanned {
                id: &id[1..],
                version: segment.versions.first(doc).ok_or_else(lost)?,
                kind: segment.kinds.first(doc).ok_or_else(lost)? as u32,
                address: DocAddress::new(number as u32, doc),
            };
            if !on_scan(&scanned)? {
                return Ok(());
            }
        }
        if segment.stream.advance() {
            next.push(Reverse((segment.stream.key().to_vec(), number)));
        }
    }
    Ok(())
}

fn lost() -> crate::failure::Failure {
    fatal("a document of the index has lost its version; make the index anew: weir rebuild")
}

impl Ids<'_> {
    /// The document of the id that the stream is at, unless it is deleted here.
    fn live_document(&self, is_deleted: impl Fn(DocId) -> bool) -> Outcome<Option<DocId>> {
        let info = self.stream.value();
        let mut postings = self.inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        while postings.doc() != TERMINATED {
            if !is_deleted(postings.doc()) {
                return Ok(Some(postings.doc()));
            }
            postings.advance();
        }
        Ok(None)
    }
}

/// As scan, with the states.
pub fn scan_states(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    from: &[u8],
    mut on_state: impl FnMut(&Scanned, &[u8]) -> bool,
) -> Outcome<()> {
    scan(snapshot, plan, host, from, |scanned| {
        let document = stored(&snapshot.searcher, scanned.address)?;
        Ok(on_state(scanned, Record::of(plan, &document)?.state))
    })
}
