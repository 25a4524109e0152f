// SPDX-License-Identifier: MIT
//! One commit as readers see it, and the way to the newest.
//!
//! Concurrency: sessions of several threads ask one Reading for the newest snapshot, under the lock of the
//! instance. A snapshot itself is never changed and outlives the files that it reads: they are mapped.

use std::collections::BTreeMap;
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::index::SegmentReader;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet, Index, IndexReader, ReloadPolicy, Searcher, TantivyDocument, TERMINATED};

use crate::failure::{fatal, is_missing_file, retry, Outcome};
use crate::fields::Plan;
use crate::payload::Payload;
use crate::place::{Place, Stamp};

/// Blocks of 16 KiB that the reader of a segment's stored documents keeps unpacked.
const BLOCKS_KEPT: usize = 8;
/// How often a writer may commit or merge between two looks of ours before we say RETRY.
const TRIES: usize = 50;

pub struct Snapshot {
    pub searcher: Searcher,
    pub payload: Payload,
}

pub fn manual_reader(index: &Index) -> Outcome<IndexReader> {
    Ok(index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(BLOCKS_KEPT)
        .try_into()?)
}

pub struct Reading {
    place: Place,
    reader: IndexReader,
    index: Index,
    stamp: Stamp,
    newest: Arc<Snapshot>,
}

impl Reading {
    pub fn open(place: &Place, plan: &Plan) -> Outcome<Reading> {
        let index = place.open_for_reading()?;
        /* Before the reader: it would say less of an index that is not ours. */
        if place.payload(&index.load_metas()?, plan)?.is_none() {
            return Err(retry(format!(
                "the index at {} is only being made; wait for the indexer",
                place.path.display()
            )));
        }
        let reader = manual_reader(&index)?;
        let (stamp, newest) = load(place, &index, &reader, plan)?;
        Ok(Reading { place: place.clone(), reader, index, stamp, newest })
    }

    pub fn newest(&mut self, plan: &Plan) -> Outcome<Arc<Snapshot>> {
        if self.place.stamp()? != self.stamp {
            (self.stamp, self.newest) = load(&self.place, &self.index, &self.reader, plan)?;
        }
        Ok(self.newest.clone())
    }
}

/// meta.json is read twice, by us for its payload and by tantivy for its segments: when both saw the same
/// segments, they saw the same documents.
fn load(place: &Place, index: &Index, reader: &IndexReader, plan: &Plan) -> Outcome<(Stamp, Arc<Snapshot>)> {
    for _ in 0..TRIES {
        let stamp = place.stamp()?;
        let metas = index.load_metas()?;
        let Some(payload) = place.payload(&metas, plan)? else {
            return Err(retry(format!("the index at {} is being made anew", place.path.display())));
        };
        match reader.reload() {
            Err(error) if is_missing_file(&error) => continue,
            other => other?,
        }
        let searcher = reader.searcher();
        let segments: BTreeMap<_, _> =
            metas.segments.iter().map(|segment| (segment.id(), segment.delete_opstamp())).collect();
        if *searcher.generation().segments() == segments {
            return Ok((stamp, Arc::new(Snapshot { searcher, payload })));
        }
    }
    Err(retry("the index changes faster than it can be opened"))
}

/// The live place of the id. An id has one document at most that is not deleted.
pub fn find(searcher: &Searcher, plan: &Plan, id: &[u8]) -> Outcome<Option<DocAddress>> {
    let term = plan.id_term(id);
    for (segment, reader) in searcher.segment_readers().iter().enumerate() {
        let inverted = reader.inverted_index(plan.terms)?;
        let Some(mut postings) = inverted.read_postings(&term, IndexRecordOption::Basic)? else { continue };
        while postings.doc() != TERMINATED {
            if !reader.is_deleted(postings.doc()) {
                return Ok(Some(DocAddress::new(segment as u32, postings.doc())));
            }
            postings.advance();
        }
    }
    Ok(None)
}

pub fn stored(searcher: &Searcher, address: DocAddress) -> Outcome<TantivyDocument> {
    Ok(searcher.doc(address)?)
}

/// A column that every document has a value in.
pub fn column<T>(reader: &SegmentReader, name: &str) -> Outcome<Column<T>>
where
    T: tantivy::columnar::HasAssociatedColumnType,
    tantivy::columnar::DynamicColumn: Into<Option<Column<T>>>,
{
    reader
        .fast_fields()
        .column_opt(name)?
        .ok_or_else(|| fatal(format!("the index has lost its column {name}; make it anew: weir rebuild")))
}
