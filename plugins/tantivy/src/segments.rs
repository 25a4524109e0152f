// SPDX-License-Identifier: MIT
//! The segments of an index as its writer knows them, and where each document lies.
//!
//! tantivy finds a document by asking every segment's dictionary. Here a table in memory has the place of each id:
//! a lookup costs the same for one segment and for thirty, and so does a delete. It is made from the column of ids
//! when the index is opened, and moves along with every commit and merge.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::path::PathBuf;

use tantivy::directory::{OwnedBytes, TerminatingWrite};
use tantivy::fastfield::write_alive_bitset;
use tantivy::index::{SegmentComponent, SegmentId, SegmentMeta, SegmentReader};
use tantivy::store::StoreReader;
use tantivy::{BitSet, DocId, Index, Segment};

use crate::document::Record;
use crate::failure::{fatal, Outcome};
use crate::ffi::{WEIR_KIND_HIDDEN, WEIR_KIND_LIVE};
use crate::fields::{Plan, APPLIED, ID, KIND};
use crate::merges::{Done, Merges, Size};
use crate::snapshot::column;

/// Blocks that a segment's reader of states keeps unpacked.
const BLOCKS_KEPT: usize = 4;

/// Where a document lies.
#[derive(Clone, Copy, PartialEq)]
pub struct Spot {
    number: u32,
    doc: DocId,
    is_hidden: bool,
}

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

struct Held {
    /// With the deletes that were written last.
    segment: Segment,
    living: BitSet,
    /// By document, the hash of its id.
    ids: Vec<u64>,
    stored: Option<StoreReader>,
    is_merging: bool,
}

impl Held {
    fn made(segment: Segment, ids: Vec<u64>) -> Held {
        let living = BitSet::with_max_value_and_full(segment.meta().max_doc());
        Held { segment, living, ids, stored: None, is_merging: false }
    }

    fn store(&mut self) -> Outcome<&StoreReader> {
        if self.stored.is_none() {
            self.stored = Some(SegmentReader::open(&self.segment)?.get_store_reader(BLOCKS_KEPT)?);
        }
        self.stored.as_ref().ok_or_else(damaged)
    }

    fn dead(&self) -> u32 {
        self.segment.meta().max_doc() - self.living.len() as u32
    }
}

fn damaged() -> crate::failure::Failure {
    fatal("a segment of the index cannot be read; make the index anew: weir rebuild")
}

/// One document of a commit, in the order in which they went into its segments.
pub struct Fresh<'a> {
    /// None: it was replaced within the same commit.
    pub id: Option<&'a [u8]>,
    pub is_hidden: bool,
}

/// What a commit changes, worked out and not yet true.
pub struct Change {
    held: BTreeMap<u32, Held>,
    /// Of segments that lose documents: what lives in them then.
    bitsets: BTreeMap<u32, (Segment, BitSet)>,
    spots: Vec<(u64, Option<Spot>)>,
}

pub struct Segments {
    index: Index,
    held: BTreeMap<u32, Held>,
    next_number: u32,
    hashing: RandomState,
    spots: HashMap<u64, Spot, BuildHasherDefault<AsItIs>>,
    hidden: usize,
    /// Of segments that are in the index no more.
    pub trash: Vec<PathBuf>,
}

impl Segments {
    pub fn open(index: &Index, metas: Vec<SegmentMeta>) -> Outcome<Segments> {
        let mut segments = Segments {
            index: index.clone(),
            held: BTreeMap::new(),
            next_number: 0,
            hashing: RandomState::new(),
            spots: HashMap::default(),
            hidden: 0,
            trash: Vec::new(),
        };
        for meta in metas {
            let segment = index.segment(meta);
            let reader = SegmentReader::open(&segment)?;
            let mut held = Held::made(segment, Vec::new());
            if let Some(living) = reader.alive_bitset() {
                held.living = BitSet::with_max_value(reader.max_doc());
                living.iter_alive().for_each(|doc| {
                    held.living.insert(doc);
                });
            }
            segments.add(held);
        }
        segments.find_all()?;
        Ok(segments)
    }

    fn add(&mut self, held: Held) -> u32 {
        let number = self.next_number;
        self.next_number += 1;
        self.held.insert(number, held);
        number
    }

    /// Makes the table from the columns, by another hash than before. False: two ids have one hash.
    fn try_to_find_all(&mut self) -> Outcome<bool> {
        self.hashing = RandomState::new();
        self.spots.clear();
        self.spots.reserve(self.held.values().map(|held| held.living.len()).sum());
        self.hidden = 0;
        for (number, held) in &mut self.held {
            let reader = SegmentReader::open(&held.segment)?;
            held.ids = hashes(&reader, &self.hashing)?;
            let kinds = column::<u64>(&reader, KIND)?;
            for (doc, hash) in held.ids.iter().enumerate() {
                let doc = doc as DocId;
                if !held.living.contains(doc) {
                    continue;
                }
                let is_hidden = kinds.first(doc) == Some(WEIR_KIND_HIDDEN.into());
                let spot = Spot { number: *number, doc, is_hidden };
                if self.spots.insert(*hash, spot).is_some() {
                    return Ok(false);
                }
                self.hidden += usize::from(is_hidden);
            }
        }
        Ok(true)
    }

    fn find_all(&mut self) -> Outcome<()> {
        /* By chance it never fails; twice, the index has an id twice. */
        if self.try_to_find_all()? || self.try_to_find_all()? {
            Ok(())
        } else {
            Err(fatal("the index has two documents of one id; make it anew: weir rebuild"))
        }
    }

    fn hash(&self, id: &[u8]) -> u64 {
        self.hashing.hash_one(id)
    }

    pub fn find(&self, id: &[u8]) -> Option<Spot> {
        self.spots.get(&self.hash(id)).copied()
    }

    /// The stored form of the id's document.
    pub fn stored(&mut self, plan: &Plan, id: &[u8]) -> Outcome<Option<OwnedBytes>> {
        for _ in 0..2 {
            let Some(spot) = self.find(id) else { return Ok(None) };
            let held = self.held.get_mut(&spot.number).ok_or_else(damaged)?;
            let document = held.store()?.get_document_bytes(spot.doc)?;
            if Record::of(plan, &document)?.id == id {
                return Ok(Some(document));
            }
            /* Another id with the same hash. */
            self.find_all()?;
        }
        Ok(None)
    }

    /// What becomes of the segments when these documents come, in the order in which they lie in the segments, and
    /// those of the ids go. Documents of the same ids that were there before go too. Writes files, which it adds to
    /// files, and changes nothing else: accept does.
    pub fn change(
        &self,
        segments: Vec<Segment>,
        fresh: &[Fresh],
        gone: impl Iterator<Item = Vec<u8>>,
        opstamp: u64,
        files: &mut Vec<PathBuf>,
    ) -> Outcome<Change> {
        let mut change = Change {
            held: BTreeMap::new(),
            bitsets: BTreeMap::new(),
            spots: Vec::with_capacity(fresh.len()),
        };
        /* What died in a segment while it was merged is written now. */
        for (number, held) in &self.held {
            if held.dead() != held.segment.meta().num_deleted_docs() {
                change.bitsets.insert(*number, (held.segment.clone(), held.living.clone()));
            }
        }
        let mut documents = fresh.iter();
        for (place, segment) in segments.into_iter().enumerate() {
            let number = self.next_number + place as u32;
            let (mut ids, mut replaced) = (Vec::new(), Vec::new());
            let count = segment.meta().max_doc();
            ids.reserve_exact(count as usize);
            for (doc, document) in (0..count).zip(documents.by_ref()) {
                let hash = document.id.map_or(0, |id| self.hash(id));
                ids.push(hash);
                if document.id.is_none() {
                    replaced.push(doc);
                    continue;
                }
                self.kill(&mut change, hash);
                change.spots.push((hash, Some(Spot { number, doc, is_hidden: document.is_hidden })));
            }
            if ids.len() != count as usize {
                return Err(crate::failure::retry("a segment has more documents than were added"));
            }
            let held = Held::made(segment, ids);
            if !replaced.is_empty() {
                let mut living = held.living.clone();
                replaced.into_iter().for_each(|doc| living.remove(doc));
                change.bitsets.insert(number, (held.segment.clone(), living));
            }
            change.held.insert(number, held);
        }
        for id in gone {
            let hash = self.hash(&id);
            self.kill(&mut change, hash);
            change.spots.push((hash, None));
        }
        for (segment, living) in change.bitsets.values_mut() {
            let dead = segment.meta().max_doc() - living.len() as u32;
            *segment = segment.clone().with_delete_meta(dead, opstamp);
            files.push(segment.relative_path(SegmentComponent::Delete));
            let mut file =
                segment.open_write(SegmentComponent::Delete).map_err(tantivy::TantivyError::from)?;
            write_alive_bitset(living, &mut file)?;
            file.terminate()?;
        }
        Ok(change)
    }

    fn kill(&self, change: &mut Change, hash: u64) {
        let Some(spot) = self.spots.get(&hash) else { return };
        let Some(held) = self.held.get(&spot.number) else { return };
        let (_, living) =
            change.bitsets.entry(spot.number).or_insert_with(|| (held.segment.clone(), held.living.clone()));
        living.remove(spot.doc);
    }

    /// The segments as they are after the change.
    pub fn metas_after(&self, change: &Change) -> Vec<SegmentMeta> {
        let of = |(number, held): (&u32, &Held)| match change.bitsets.get(number) {
            Some((segment, _)) => segment.meta().clone(),
            None => held.segment.meta().clone(),
        };
        let mut metas: Vec<SegmentMeta> =
            self.held.iter().map(of).chain(change.held.iter().map(of)).collect();
        metas.retain(|meta| meta.num_docs() > 0);
        metas.sort_by_key(|meta| std::cmp::Reverse(meta.max_doc()));
        metas
    }

    pub fn accept(&mut self, change: Change) -> Outcome<()> {
        let first_number = self.next_number;
        for held in change.held.into_values() {
            self.add(held);
        }
        for (number, (segment, living)) in change.bitsets {
            if let Some(held) = self.held.get_mut(&number) {
                if held.segment.meta().has_deletes() {
                    self.trash.push(held.segment.relative_path(SegmentComponent::Delete));
                }
                held.segment = segment;
                held.living = living;
            }
        }
        let mut are_distinct = true;
        for (hash, spot) in change.spots {
            let before = match (spot, self.spots.entry(hash)) {
                (Some(spot), Entry::Occupied(mut entry)) => Some(entry.insert(spot)),
                (Some(spot), Entry::Vacant(entry)) => {
                    entry.insert(spot);
                    None
                }
                (None, Entry::Occupied(entry)) => Some(entry.remove()),
                (None, Entry::Vacant(_)) => None,
            };
            if let (Some(before), Some(spot)) = (before, spot) {
                are_distinct &= before.number < first_number || before == spot;
            }
            self.hidden += usize::from(spot.is_some_and(|spot| spot.is_hidden));
            self.hidden -= usize::from(before.is_some_and(|before| before.is_hidden));
        }
        self.drop_empty();
        if are_distinct {
            Ok(())
        } else {
            self.find_all()
        }
    }

    fn drop_empty(&mut self) {
        let empty =
            self.held.iter().filter(|(_, held)| held.living.len() == 0 && !held.is_merging).map(|(n, _)| *n);
        for number in empty.collect::<Vec<_>>() {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u32) {
        if let Some(held) = self.held.remove(&number) {
            self.trash.extend(files_of(held.segment.meta()));
        }
    }

    pub fn begin_merges(&mut self, merges: &Merges, fan_in: usize) {
        let free = self.held.iter().filter(|(_, held)| !held.is_merging);
        let sizes: Vec<Size> = free
            .map(|(number, held)| Size {
                number: *number,
                documents: held.segment.meta().max_doc(),
                living: held.living.len() as u32,
            })
            .collect();
        for plan in crate::merges::due(&sizes, fan_in) {
            let mut inputs = Vec::new();
            for number in &plan.numbers {
                if let Some(held) = self.held.get_mut(number) {
                    held.is_merging = true;
                    let living = (held.dead() > 0).then(|| held.living.clone());
                    /* What lives is said beside it. */
                    let meta = self.index.new_segment_meta(held.segment.id(), held.segment.meta().max_doc());
                    inputs.push((self.index.segment(meta), living));
                }
            }
            merges.begin(plan, inputs);
        }
    }

    /// A merge's result takes the place of what went into it. What died there meanwhile is dead in it. After a merge
    /// that failed all is as it was.
    pub fn end_merge(&mut self, done: Done) -> Outcome<()> {
        let Done { numbers, lived, outcome } = done;
        let merged = match outcome {
            Ok(merged) => merged,
            Err(_) => {
                for number in &numbers {
                    if let Some(held) = self.held.get_mut(number) {
                        held.is_merging = false;
                    }
                }
                return Ok(());
            }
        };
        if let Some((id, count)) = merged {
            self.take_merged(&numbers, id, count, lived)?;
        }
        for number in numbers {
            self.remove(number);
        }
        Ok(())
    }

    fn take_merged(
        &mut self,
        numbers: &[u32],
        id: SegmentId,
        count: u32,
        lived: Vec<Option<BitSet>>,
    ) -> Outcome<()> {
        let number = self.next_number;
        let segment = self.index.segment(self.index.new_segment_meta(id, count));
        let mut held = Held::made(segment, Vec::with_capacity(count as usize));
        for (old_number, lived) in numbers.iter().zip(lived) {
            let Some(old) = self.held.get(old_number) else { return Err(damaged()) };
            for (old_doc, hash) in old.ids.iter().enumerate() {
                let old_doc = old_doc as DocId;
                if lived.as_ref().is_some_and(|lived| !lived.contains(old_doc)) {
                    continue;
                }
                let doc = held.ids.len() as DocId;
                held.ids.push(*hash);
                match self.spots.get_mut(hash) {
                    Some(spot) if spot.number == *old_number && spot.doc == old_doc => {
                        *spot = Spot { number, doc, is_hidden: spot.is_hidden };
                    }
                    _ => held.living.remove(doc),
                }
            }
        }
        if held.ids.len() != count as usize {
            return Err(fatal("a merge lost documents; start the indexer again"));
        }
        self.add(held);
        Ok(())
    }

    /// Ids of hidden documents that were applied before that time.
    pub fn hidden_before(&mut self, plan: &Plan, before: i64) -> Outcome<Vec<Vec<u8>>> {
        let mut ids = Vec::new();
        for held in self.held.values_mut() {
            let reader = SegmentReader::open(&held.segment)?;
            let Some(applied) = reader.fast_fields().column_opt::<i64>(APPLIED)? else { continue };
            for doc in 0..reader.max_doc() {
                if held.living.contains(doc) && applied.first(doc).is_some_and(|at| at < before) {
                    let document = held.store()?.get_document_bytes(doc)?;
                    ids.push(Record::of(plan, &document)?.id.to_vec());
                }
            }
        }
        Ok(ids)
    }

    /// Live and hidden documents.
    pub fn counts(&self) -> (u64, u64) {
        ((self.spots.len() - self.hidden) as u64, self.hidden as u64)
    }

    pub fn count(&self) -> usize {
        self.held.len()
    }

    pub fn is_merging(&self) -> bool {
        self.held.values().any(|held| held.is_merging)
    }
}

impl Spot {
    pub fn kind(&self) -> u32 {
        if self.is_hidden {
            WEIR_KIND_HIDDEN
        } else {
            WEIR_KIND_LIVE
        }
    }
}

pub fn files_of(meta: &SegmentMeta) -> Vec<PathBuf> {
    use SegmentComponent::{Delete, FastFields, FieldNorms, Positions, Postings, Store, Terms};
    let mut all = vec![Postings, Positions, Terms, Store, FastFields, FieldNorms];
    if meta.has_deletes() {
        all.push(Delete);
    }
    all.into_iter().map(|component| meta.relative_path(component)).collect()
}

/// By document, the hash of its id: the column has each id once, in its dictionary, so that is read in order.
fn hashes(reader: &SegmentReader, hashing: &RandomState) -> Outcome<Vec<u64>> {
    let ids = reader.fast_fields().bytes(ID)?.ok_or_else(damaged)?;
    let mut by_order = Vec::with_capacity(ids.num_terms());
    let mut stream = ids.dictionary().stream()?;
    while stream.advance() {
        by_order.push(hashing.hash_one(stream.key()));
    }
    (0..reader.max_doc())
        .map(|doc| {
            let order = ids.ords().first(doc).ok_or_else(damaged)?;
            by_order.get(order as usize).copied().ok_or_else(damaged)
        })
        .collect()
}
