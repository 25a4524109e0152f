// SPDX-License-Identifier: MIT
//! One commit as readers see it, and the way to the newest.
//!
//! Concurrency: sessions of several threads ask one Reading for the newest snapshot, under the lock of the
//! instance. A snapshot itself is never changed and outlives the files that it reads: they are mapped.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tantivy::collector::Count;
use tantivy::columnar::{BytesColumn, Column};
use tantivy::directory::OwnedBytes;
use tantivy::index::SegmentReader;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::store::StoreReader;
use tantivy::{DocAddress, DocId, Index, IndexReader, ReloadPolicy, Searcher};

use crate::failure::{fatal, is_missing_file, retry, Outcome};
use crate::ffi::{WEIR_KIND_HIDDEN, WEIR_KIND_LIVE};
use crate::fields::{Plan, ID};
use crate::files::{Files, META};
use crate::payload::Payload;
use crate::place::{Place, Stamp};

/// Blocks of 4 KiB that the reader of a segment's stored documents keeps unpacked.
const BLOCKS_KEPT: usize = 8;
/// Between two looks how much of the files is in memory.
const LOOK_PERIOD: Duration = Duration::from_millis(200);
/// How often a writer may commit or merge between two looks of ours before we say RETRY.
const TRIES: usize = 50;

pub struct Snapshot {
    pub searcher: Searcher,
    pub payload: Payload,
    pub by_id: Vec<Arc<ById>>,
}

pub struct Reading {
    place: Place,
    files: Files,
    index: Index,
    reader: IndexReader,
    stamp: Stamp,
    newest: Arc<Snapshot>,
    /// When it was last looked how much of the files is in memory.
    looked: Instant,
}

fn snapshot(
    place: &Place,
    index: &Index,
    plan: &Plan,
    searcher: Searcher,
    before: Option<&Snapshot>,
) -> Outcome<Arc<Snapshot>> {
    match place.payload(&index.load_metas()?, plan)? {
        Some(payload) => Ok(Arc::new(Snapshot::made(searcher, payload, before))),
        None => Err(retry(format!(
            "the index at {} is only being made; wait for the indexer",
            place.path.display()
        ))),
    }
}

impl Reading {
    pub fn open(place: &Place, plan: &Plan) -> Outcome<Reading> {
        for _ in 0..TRIES {
            let stamp = place.stamp_if_any()?;
            let files = place.open_for_reading()?;
            let index = place.index(&files)?;
            /* Before the reader: it would say less of an index that is not ours. */
            place.payload(&index.load_metas()?, plan)?;
            let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into();
            let reader: IndexReader = match reader {
                Err(error) if is_missing_file(&error) && place.stamp_if_any()? != stamp => continue,
                other => other?,
            };
            let newest = snapshot(place, &index, plan, reader.searcher(), None)?;
            let Some(stamp) = stamp else { continue };
            return Ok(Reading {
                place: place.clone(),
                files,
                reader,
                index,
                stamp,
                newest,
                looked: Instant::now(),
            });
        }
        Err(busy())
    }

    /// What tantivy and we read of meta.json is one and the same, from memory.
    pub fn newest(&mut self, plan: &Plan) -> Outcome<Arc<Snapshot>> {
        if self.looked.elapsed() > LOOK_PERIOD {
            self.looked = Instant::now();
            self.files.forget_many_pages();
        }
        for _ in 0..TRIES {
            let stamp = self.place.stamp()?;
            if stamp == self.stamp {
                return Ok(self.newest.clone());
            }
            self.files.take_meta(self.files.read(META)?);
            match self.reader.reload() {
                Err(error) if is_missing_file(&error) && self.place.stamp()? != stamp => continue,
                other => other?,
            }
            let searcher = self.reader.searcher();
            self.newest = snapshot(&self.place, &self.index, plan, searcher, Some(&self.newest))?;
            self.stamp = stamp;
            return Ok(self.newest.clone());
        }
        Err(busy())
    }
}

fn busy() -> crate::failure::Failure {
    retry("the index changes faster than it can be opened")
}

/// The ids of a segment, and what is stored. What is made of them is made when somebody asks for it, and goes along from snapshot to
/// snapshot.
#[derive(Default)]
pub struct ById {
    column: OnceLock<BytesColumn>,
    /// By an id's place in the column's dictionary, the document.
    documents: OnceLock<Vec<DocId>>,
    store: OnceLock<StoreReader>,
}

const NOWHERE: DocId = DocId::MAX;

impl ById {
    pub fn ids(&self, reader: &SegmentReader) -> Outcome<&BytesColumn> {
        if let Some(column) = self.column.get() {
            return Ok(column);
        }
        let column = reader
            .fast_fields()
            .bytes(ID)?
            .ok_or_else(|| fatal("the index has lost its ids; make it anew: weir rebuild"))?;
        Ok(self.column.get_or_init(|| column))
    }

    fn store(&self, reader: &SegmentReader) -> Outcome<&StoreReader> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = reader.get_store_reader(BLOCKS_KEPT)?;
        Ok(self.store.get_or_init(|| store))
    }

    /// A document that is dead when this is made is not in it; later it may be.
    fn documents(&self, reader: &SegmentReader, ids: &BytesColumn) -> &[DocId] {
        self.documents.get_or_init(|| {
            let mut documents = vec![NOWHERE; ids.num_terms()];
            for doc in reader.doc_ids_alive() {
                let place = ids.ords().first(doc).and_then(|order| documents.get_mut(order as usize));
                if let Some(place) = place {
                    *place = doc;
                }
            }
            documents
        })
    }

    /// The document of that id of the dictionary, if it lives.
    pub fn living(&self, reader: &SegmentReader, order: u64) -> Outcome<Option<DocId>> {
        let documents = self.documents(reader, self.ids(reader)?);
        let doc = documents.get(order as usize).copied().unwrap_or(NOWHERE);
        Ok((doc != NOWHERE && !reader.is_deleted(doc)).then_some(doc))
    }
}

impl Snapshot {
    fn made(searcher: Searcher, payload: Payload, before: Option<&Snapshot>) -> Snapshot {
        let known = |reader: &SegmentReader| {
            let before = before?;
            let readers = before.searcher.segment_readers();
            let place = readers.iter().position(|old| old.segment_id() == reader.segment_id())?;
            Some(before.by_id[place].clone())
        };
        let by_id =
            searcher.segment_readers().iter().map(|reader| known(reader).unwrap_or_default()).collect();
        Snapshot { searcher, payload, by_id }
    }

    /// What tantivy stores of the document; document.rs reads it.
    pub fn stored(&self, address: DocAddress) -> Outcome<OwnedBytes> {
        let segment = address.segment_ord as usize;
        let reader = &self.searcher.segment_readers()[segment];
        Ok(self.by_id[segment].store(reader)?.get_document_bytes(address.doc_id)?)
    }

    /// The live place of the id. An id has one document at most that is not deleted.
    pub fn find(&self, id: &[u8]) -> Outcome<Option<DocAddress>> {
        for (segment, (reader, by_id)) in self.searcher.segment_readers().iter().zip(&self.by_id).enumerate()
        {
            let Some(order) = by_id.ids(reader)?.dictionary().term_ord(id)? else { continue };
            if let Some(doc) = by_id.living(reader, order)? {
                return Ok(Some(DocAddress::new(segment as u32, doc)));
            }
        }
        Ok(None)
    }
}

/// Live and hidden documents.
pub fn counts(searcher: &Searcher, plan: &Plan) -> Outcome<(u64, u64)> {
    let of =
        |kind: u32| searcher.search(&TermQuery::new(plan.kind_term(kind), IndexRecordOption::Basic), &Count);
    Ok((of(WEIR_KIND_LIVE)? as u64, of(WEIR_KIND_HIDDEN)? as u64))
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
