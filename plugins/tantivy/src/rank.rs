// SPDX-License-Identifier: MIT
//! Counts all matches and finds the first ones in the wanted order.
//!
//! Within a segment documents are compared by numbers: columns of texts and ids have one for each distinct
//! value, in the order of the values. Those numbers mean nothing in another segment; so each segment gives its
//! best, and among these the bytes decide where the numbers cannot.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tantivy::columnar::{BytesColumn, Column};
use tantivy::index::SegmentReader;
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{DocAddress, DocId, Score, Searcher, TERMINATED};

use crate::failure::{fatal, Outcome};
use crate::ffi::{WeirSortKey, WEIR_FIELD_DEFAULT};
use crate::fields::{Plan, ID};
use crate::host::Host;

/// How many matches are looked at between two questions whether to go on.
const STRIDE: u64 = 1024;

pub struct Found {
    pub address: DocAddress,
    pub score: Score,
}

enum KeyKind {
    Score,
    Order(String),
    Text(String),
}

pub struct Key {
    kind: KeyKind,
    descending: bool,
}

/// The keys to sort by: without any, by score.
pub fn keys<'a>(plan: &Plan, sort: impl Iterator<Item = &'a WeirSortKey>) -> Outcome<Vec<Key>> {
    let mut keys = Vec::new();
    for key in sort {
        let kind = if key.field == WEIR_FIELD_DEFAULT {
            KeyKind::Score
        } else {
            let field = plan.field(key.field).filter(|field| field.is_sorted);
            match field.map(|field| (&field.key, &field.order)) {
                Some((Some((_, name)), _)) => KeyKind::Text(name.clone()),
                Some((_, Some((_, name)))) => KeyKind::Order(name.clone()),
                _ => return Err(fatal(format!("field number {} cannot be sorted by", key.field))),
            }
        };
        keys.push(Key { kind, descending: key.descending != 0 });
    }
    if keys.is_empty() {
        keys.push(Key { kind: KeyKind::Score, descending: true });
    }
    Ok(keys)
}

enum Columns {
    Score,
    Order(Option<Column<u64>>),
    Text(Option<BytesColumn>),
}

/// The keys of one segment; the id is the last.
struct SegmentKeys<'a> {
    keys: &'a [Key],
    columns: Vec<Columns>,
    ids: BytesColumn,
}

/// Documents without a value come last.
const MISSING: u128 = u128::MAX;

impl<'a> SegmentKeys<'a> {
    fn open(keys: &'a [Key], reader: &SegmentReader) -> Outcome<SegmentKeys<'a>> {
        let fast = reader.fast_fields();
        let mut columns = Vec::new();
        for key in keys {
            columns.push(match &key.kind {
                KeyKind::Score => Columns::Score,
                KeyKind::Order(name) => Columns::Order(fast.column_opt(name)?),
                KeyKind::Text(name) => Columns::Text(fast.bytes(name)?),
            });
        }
        let ids =
            fast.bytes(ID)?.ok_or_else(|| fatal("the index has lost its ids; make it anew: weir rebuild"))?;
        Ok(SegmentKeys { keys, columns, ids })
    }

    /// Lower is better.
    fn rank(&self, key: usize, doc: DocId, score: Score) -> u128 {
        let value = match &self.columns[key] {
            Columns::Score => Some(u64::from(order_of_score(score))),
            Columns::Order(column) => column.as_ref().and_then(|column| column.first(doc)),
            Columns::Text(column) => column.as_ref().and_then(|column| column.ords().first(doc)),
        };
        match value {
            None => MISSING,
            Some(value) if self.keys[key].descending => u128::from(u64::MAX - value),
            Some(value) => u128::from(value),
        }
    }

    fn rank_of_id(&self, doc: DocId) -> u128 {
        self.ids.ords().first(doc).map_or(MISSING, u128::from)
    }

    fn ranks(&self, doc: DocId, score: Score) -> Vec<u128> {
        let keys = (0..self.keys.len()).map(|key| self.rank(key, doc, score));
        keys.chain([self.rank_of_id(doc)]).collect()
    }

    /// Whether the document comes before the worst one so far. Most do not, and the first key tells.
    fn beats(&self, worst: &[u128], doc: DocId, score: Score) -> bool {
        for (key, rank) in worst[..self.keys.len()].iter().enumerate() {
            match self.rank(key, doc, score).cmp(rank) {
                Ordering::Equal => {}
                other => return other == Ordering::Less,
            }
        }
        self.rank_of_id(doc) < worst[self.keys.len()]
    }

    fn bytes(&self, key: usize, doc: DocId) -> Vec<u8> {
        let column = match self.columns.get(key) {
            Some(Columns::Text(column)) => column.as_ref(),
            Some(_) => None,
            None => Some(&self.ids),
        };
        let mut bytes = Vec::new();
        if let Some((column, value)) = column.and_then(|column| Some((column, column.ords().first(doc)?))) {
            /* A value that cannot be read would only order wrongly. */
            let _ = column.ord_to_bytes(value, &mut bytes);
        }
        bytes
    }
}

/// In the order of the scores. The last bits are rounded away: the sum of the same parts may differ in them
/// from segment to segment, and equal scores are ordered by id.
fn order_of_score(score: Score) -> u32 {
    (score.max(0.0).to_bits().saturating_add(8)) >> 4
}

/// Ordered so that the worst is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    ranks: Vec<u128>,
    doc: DocId,
    score: u32,
}

/// One of the best of a segment, among those of all segments.
struct Candidate {
    segment: usize,
    entry: Entry,
    /// Of each text key, and of the id: read when two are otherwise equal.
    bytes: Vec<OnceCell<Vec<u8>>>,
}

fn compare(segments: &[SegmentKeys], left: &Candidate, right: &Candidate) -> Ordering {
    let keys = segments[left.segment].keys;
    for key in 0..=keys.len() {
        let (a, b) = (left.entry.ranks[key], right.entry.ranks[key]);
        let is_text = keys.get(key).is_none_or(|key| matches!(key.kind, KeyKind::Text(_)));
        let ordering = if !is_text || left.segment == right.segment || a == MISSING || b == MISSING {
            a.cmp(&b)
        } else {
            let bytes = |side: &Candidate| -> Vec<u8> {
                side.bytes[key].get_or_init(|| segments[side.segment].bytes(key, side.entry.doc)).clone()
            };
            let ordering = bytes(left).cmp(&bytes(right));
            if keys.get(key).is_some_and(|key| key.descending) {
                ordering.reverse()
            } else {
                ordering
            }
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

struct Search<'a> {
    host: &'a Host,
    weight: Box<dyn Weight>,
    count: usize,
}

impl Search<'_> {
    fn is_worth_it(&self, seen: u64) -> Outcome<()> {
        if seen.is_multiple_of(STRIDE) {
            self.host.check()?;
        }
        Ok(())
    }

    /// The best of a segment, and how many match in it.
    fn in_segment(&self, reader: &SegmentReader, keys: &SegmentKeys) -> Outcome<(Vec<Entry>, u64)> {
        let mut best: BinaryHeap<Entry> = BinaryHeap::new();
        let mut total = 0;
        let mut scorer = self.weight.scorer(reader, 1.0)?;
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            if !reader.is_deleted(doc) {
                self.is_worth_it(total)?;
                total += 1;
                let score = scorer.score();
                let is_full = best.len() >= self.count;
                if !is_full || best.peek().is_some_and(|worst| keys.beats(&worst.ranks, doc, score)) {
                    if is_full {
                        best.pop();
                    }
                    best.push(Entry { ranks: keys.ranks(doc, score), doc, score: score.to_bits() });
                }
            }
            doc = scorer.advance();
        }
        Ok((best.into_vec(), total))
    }
}

/// The first `count` matches in order, and how many there are in all.
pub fn search(
    searcher: &Searcher,
    host: &Host,
    query: &dyn Query,
    keys: &[Key],
    count: usize,
) -> Outcome<(Vec<Found>, u64)> {
    host.check()?;
    let is_scored = count > 0 && keys.iter().any(|key| matches!(key.kind, KeyKind::Score));
    let scoring = if is_scored {
        EnableScoring::enabled_from_searcher(searcher)
    } else {
        EnableScoring::disabled_from_searcher(searcher)
    };
    let search = Search { host, weight: query.weight(scoring)?, count };
    let mut total = 0;
    let (mut segments, mut candidates) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for (number, reader) in searcher.segment_readers().iter().enumerate() {
        host.check()?;
        if count == 0 {
            total += u64::from(search.weight.count(reader)?);
            continue;
        }
        let keys_here = SegmentKeys::open(keys, reader)?;
        let (best, here) = search.in_segment(reader, &keys_here)?;
        total += here;
        candidates.extend(best.into_iter().map(|entry| Candidate {
            segment: segments.len(),
            bytes: entry.ranks.iter().map(|_| OnceCell::new()).collect(),
            entry,
        }));
        segments.push(keys_here);
        places.push(number as u32);
    }
    candidates.sort_by(|left, right| compare(&segments, left, right));
    candidates.truncate(count);
    let found = candidates.into_iter().map(|candidate| Found {
        address: DocAddress::new(places[candidate.segment], candidate.entry.doc),
        score: Score::from_bits(candidate.entry.score),
    });
    Ok((found.collect(), total))
}
