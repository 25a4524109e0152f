// SPDX-License-Identifier: MIT
//! The one writer of an index.
//!
//! Concurrency: the host calls one operation at a time. tantivy has a thread that indexes what was added, one
//! that takes segments in, and one that merges; they are its own.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc;
use std::time::Duration;

use tantivy::collector::{Count, DocSetCollector};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, NoMergePolicy};
use tantivy::query::{RangeQuery, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, IndexReader, IndexWriter, Searcher, Term};

use crate::document::{Maker, Record};
use crate::failure::{retry, write_line, Outcome};
use crate::ffi::*;
use crate::fields::{Plan, KIND};
use crate::host::Host;
use crate::payload::{Payload, Position};
use crate::place::{birth, Place};
use crate::snapshot::{column, find, manual_reader, stored};

/// How long close waits for a merge, so that the next writer finds the index at rest.
const PATIENCE: Duration = Duration::from_secs(2);

/// That much beside what is to be written has to be free after a failure.
const SPARE_BYTES: u64 = 1 << 20;

/// What was applied since the last commit.
struct Applied {
    kind: u32,
    applied_at: i64,
    state: Vec<u8>,
}

pub struct Writer {
    place: Place,
    index: Index,
    buffer: usize,
    /// None: it broke, and abandon could not open it again so far.
    writer: Option<IndexWriter>,
    reader: IndexReader,
    is_reader_behind: bool,
    payload: Payload,
    /// By id; None: expired.
    pending: HashMap<Vec<u8>, Option<Applied>>,
    /// Ids that fetch did not find since the last commit: they need no deleting, which tantivy does by asking
    /// every segment.
    absent: HashSet<Vec<u8>>,
    maker: Maker,
    /// Of states, since the last commit.
    bytes: u64,
    /// What has to be free on the disk before anything is tried again after writing failed. Until then
    /// nothing smaller is either: an empty commit that passes would say that the documents are at fault.
    starved: u64,
    /// Something failed since the last commit: an empty one is to find out whether writing works, and writes.
    doubtful: bool,
}

/// Many small commits make many small segments: those of fewer documents than a layer count as one level, and
/// eight of a level become one. A layer of tantivy's own 10,000 would copy thousands of documents for each
/// dozen that comes.
fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(8);
    policy.set_min_layer_size(500);
    policy.set_level_log_size(2.0);
    policy.set_del_docs_ratio_before_merge(0.4);
    policy
}

fn open_writer(index: &Index, buffer: usize) -> Outcome<IndexWriter> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(buffer)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    writer.set_merge_policy(Box::new(merge_policy()));
    Ok(writer)
}

impl Writer {
    pub fn open(place: &Place, plan: &Plan, buffer: usize) -> Outcome<Writer> {
        let index = place.open_for_writing(plan)?;
        let mut writer = open_writer(&index, buffer).map_err(|failure| failure.at(&place.path))?;
        /* Only now nobody else writes. */
        let payload = match place.payload(&index.load_metas()?, plan)? {
            Some(payload) => payload,
            None => {
                let payload = Payload::new(&plan.fingerprint, birth());
                commit(&mut writer, &payload)?;
                payload
            }
        };
        Ok(Writer {
            place: place.clone(),
            buffer,
            writer: Some(writer),
            reader: manual_reader(&index)?,
            is_reader_behind: false,
            index,
            payload,
            pending: HashMap::new(),
            absent: HashSet::new(),
            maker: Maker::new(),
            bytes: 0,
            starved: 0,
            doubtful: false,
        })
    }

    /// What the last commit left.
    fn searcher(&mut self) -> Outcome<Searcher> {
        if self.is_reader_behind {
            self.reader.reload()?;
            self.is_reader_behind = false;
        }
        Ok(self.reader.searcher())
    }

    fn writer(&mut self) -> Outcome<&mut IndexWriter> {
        self.writer.as_mut().ok_or_else(|| retry("the writer failed and is to be opened again"))
    }

    /// tantivy does not always tell why writing failed: a thread of its own met the error.
    fn note_starved<T>(&mut self, outcome: Outcome<T>) -> Outcome<T> {
        if outcome.is_err() {
            self.starved = self.starved.max(4 * self.bytes + SPARE_BYTES);
        }
        outcome
    }

    /// Whatever else made writing fail, with room on the disk it is tried again.
    pub fn check_room(&mut self) -> Outcome<()> {
        if self.starved == 0 {
            return Ok(());
        }
        let path = &self.place.path;
        let free = fs4::available_space(path)
            .map_err(|error| retry(format!("cannot see the disk of {}: {error}", path.display())))?;
        if free < self.starved {
            return Err(retry(format!(
                "the disk of {} has {:.1} MiB left after writing failed; it goes on by itself once there are {:.1}",
                path.display(),
                free as f64 / f64::from(1 << 20),
                self.starved as f64 / f64::from(1 << 20)
            )));
        }
        self.starved = 0;
        Ok(())
    }

    /// on_state answers whether to go on.
    pub fn fetch<'a>(
        &mut self,
        plan: &Plan,
        ids: impl Iterator<Item = &'a [u8]>,
        mut on_state: impl FnMut(usize, Option<&[u8]>) -> bool,
    ) -> Outcome<()> {
        let searcher = self.searcher()?;
        for (index, id) in ids.enumerate() {
            let goes_on = match self.pending.get(id) {
                Some(applied) => on_state(index, applied.as_ref().map(|applied| &applied.state[..])),
                None => match find(&searcher, plan, id)? {
                    Some(address) => {
                        let document = stored(&searcher, address)?;
                        on_state(index, Some(Record::of(plan, &document)?.state))
                    }
                    None => {
                        self.absent.insert(id.to_vec());
                        on_state(index, None)
                    }
                },
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    pub fn apply(
        &mut self,
        plan: &Plan,
        host: &Host,
        document: &WeirDocument,
        verdict: &mut WeirVerdict,
    ) -> Outcome<()> {
        let made = match self.maker.make(plan, host, document)? {
            Ok(made) => made,
            Err(reason) => {
                verdict.kind = WEIR_REJECTED;
                write_line(&mut verdict.reason, reason);
                return Ok(());
            }
        };
        let id = document.id();
        let is_new = !self.pending.contains_key(id) && self.absent.contains(id);
        let writer = self.writer()?;
        if !is_new {
            writer.delete_term(plan.id_term(id));
        }
        let added = writer.add_document(made).map(drop).map_err(Into::into);
        self.bytes += document.state().len() as u64;
        self.note_starved(added)?;
        let applied = Applied {
            kind: document.kind,
            applied_at: document.applied_at,
            state: document.state().to_vec(),
        };
        self.pending.insert(id.to_vec(), Some(applied));
        verdict.kind = WEIR_ACCEPTED;
        verdict.reason[0] = 0;
        Ok(())
    }

    pub fn commit(&mut self, positions: impl Iterator<Item = Position>) -> Outcome<()> {
        let mut payload = self.payload.clone();
        payload.set_positions(positions);
        self.check_room()?;
        if self.pending.is_empty() && payload == self.payload && !self.doubtful {
            return Ok(());
        }
        payload.commits += 1;
        let committed = self.writer().and_then(|writer| commit(writer, &payload));
        self.note_starved(committed)?;
        self.payload = payload;
        self.doubtful = false;
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.absent.clear();
        self.bytes = 0;
        self.is_reader_behind = true;
    }

    pub fn abandon(&mut self, plan: &Plan) -> Outcome<()> {
        self.forget();
        self.doubtful = true;
        /* What rollback cannot mend is opened again: only dropping the old one frees the lock. */
        let rolled_back = match self.writer.take() {
            Some(mut writer) => writer.rollback().is_ok().then_some(writer),
            None => None,
        };
        let writer = match rolled_back {
            Some(writer) => {
                writer.set_merge_policy(Box::new(merge_policy()));
                writer
            }
            None => open_writer(&self.index, self.buffer)?,
        };
        self.writer = Some(writer);
        /* A commit that failed may have got as far as its renaming. */
        if let Some(payload) = self.place.payload(&self.index.load_metas()?, plan)? {
            self.payload = payload;
        }
        Ok(())
    }

    pub fn positions(&self) -> &[Position] {
        &self.payload.positions
    }

    /// How many hidden documents it removed.
    pub fn expire(&mut self, plan: &Plan, before: i64) -> Outcome<u64> {
        let searcher = self.searcher()?;
        let mut ids: Vec<Vec<u8>> = Vec::new();
        let end = std::ops::Bound::Excluded(Term::from_field_i64(plan.applied, before));
        let old = RangeQuery::new(std::ops::Bound::Unbounded, end);
        for address in searcher.search(&old, &DocSetCollector)? {
            let document = stored(&searcher, address)?;
            let id = Record::of(plan, &document)?.id;
            if !self.pending.contains_key(id) {
                ids.push(id.to_vec());
            }
        }
        ids.extend(self.pending.iter().filter_map(|(id, applied)| {
            let applied = applied.as_ref()?;
            (applied.kind == WEIR_KIND_HIDDEN && applied.applied_at < before).then(|| id.clone())
        }));
        let removed = ids.len() as u64;
        for id in ids {
            self.writer()?.delete_term(plan.id_term(&id));
            self.pending.insert(id, None);
        }
        Ok(removed)
    }

    /// Live and hidden documents, with what was applied.
    pub fn counts(&mut self, plan: &Plan) -> Outcome<(u64, u64)> {
        let searcher = self.searcher()?;
        let (mut live, mut hidden) = counts(&searcher, plan)?;
        for (id, applied) in &self.pending {
            if let Some(address) = find(&searcher, plan, id)? {
                let segment = searcher.segment_reader(address.segment_ord);
                let kind = column::<u64>(segment, KIND)?.first(address.doc_id);
                let count = if kind == Some(WEIR_KIND_LIVE.into()) { &mut live } else { &mut hidden };
                *count = count.saturating_sub(1);
            }
            match applied.as_ref().map(|applied| applied.kind) {
                Some(WEIR_KIND_LIVE) => live += 1,
                Some(_) => hidden += 1,
                None => {}
            }
        }
        Ok((live, hidden))
    }

    pub fn segments(&mut self) -> Outcome<usize> {
        Ok(self.searcher()?.segment_readers().len())
    }

    /// A merge that still runs would write into an index that another writer may have open by then: the lock
    /// is kept until it has ended, in a thread that the end of the process ends as well.
    pub fn close(mut self) {
        let Some(writer) = self.writer.take() else { return };
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let (tell, told) = mpsc::channel();
        let waiter = std::thread::Builder::new().name("weir-tantivy-end".into()).spawn(move || {
            let _ = writer.wait_merging_threads();
            let _ = tell.send(());
        });
        if waiter.is_ok() {
            let _ = told.recv_timeout(PATIENCE);
        }
    }
}

fn commit(writer: &mut IndexWriter, payload: &Payload) -> Outcome<()> {
    let mut prepared = writer.prepare_commit()?;
    prepared.set_payload(&payload.write());
    prepared.commit()?;
    Ok(())
}

pub fn counts(searcher: &Searcher, plan: &Plan) -> Outcome<(u64, u64)> {
    let of =
        |kind: u32| searcher.search(&TermQuery::new(plan.kind_term(kind), IndexRecordOption::Basic), &Count);
    Ok((of(WEIR_KIND_LIVE)? as u64, of(WEIR_KIND_HIDDEN)? as u64))
}
