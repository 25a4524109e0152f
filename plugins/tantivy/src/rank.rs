// SPDX-License-Identifier: MIT
//! Counts all matches and finds the first ones in the wanted order.
//!
//! Within a segment documents are compared by numbers: columns of texts and ids have one for each distinct
//! value, in the order of the values. Those numbers mean nothing in another segment; so each segment gives its
//! best, and among these the bytes decide where the numbers cannot.

use std::cell::OnceCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::columnar::{BytesColumn, Column};
use tantivy::index::SegmentReader;
use tantivy::query::{EnableScoring, Query, Scorer, Weight};
use tantivy::{DocAddress, DocId, Score, Searcher, TERMINATED};

use crate::failure::{fatal, Outcome};
use crate::ffi::{WeirSortKey, WEIR_FIELD_DEFAULT};
use crate::fields::Plan;
use crate::host::Host;
use crate::prune::Walk;
use crate::query::Filtered;
use crate::sets::{self, Docs, Kept, Word};
use crate::snapshot::Snapshot;

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
    ids: &'a BytesColumn,
}

/// Documents without a value come last.
const MISSING: u128 = u128::MAX;

impl<'a> SegmentKeys<'a> {
    fn open(keys: &'a [Key], reader: &SegmentReader, ids: &'a BytesColumn) -> Outcome<SegmentKeys<'a>> {
        let fast = reader.fast_fields();
        let mut columns = Vec::new();
        for key in keys {
            columns.push(match &key.kind {
                KeyKind::Score => Columns::Score,
                KeyKind::Order(name) => Columns::Order(fast.column_opt(name)?),
                KeyKind::Text(name) => Columns::Text(fast.bytes(name)?),
            });
        }
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
            None => Some(self.ids),
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

/// Of the candidates the first key tells most apart, and it needs no bytes unless it is a text.
fn drop_hopeless(candidates: &mut Vec<Candidate>, keys: &[Key], count: usize) {
    if candidates.len() <= count || keys.first().is_none_or(|key| matches!(key.kind, KeyKind::Text(_))) {
        return;
    }
    let (_, last, _) = candidates.select_nth_unstable_by_key(count - 1, |candidate| candidate.entry.ranks[0]);
    let worst = last.entry.ranks[0];
    candidates.retain(|candidate| candidate.entry.ranks[0] <= worst);
}

/// Matches and how many.
pub struct Ranked {
    pub found: Vec<Found>,
    pub total: u64,
}

struct Search<'a> {
    host: &'a Host,
    /// None: everything that the words match.
    weight: Option<Box<dyn Weight>>,
    /// Of a query of words that is sorted by score alone; then weight only narrows it.
    words: Option<&'a [Vec<Word>]>,
    count: usize,
    total: u64,
    /// The best scores of all segments so far, the worst of them on top.
    scores: BinaryHeap<Reverse<u32>>,
}

/// The best documents of one segment so far, the worst of them on top.
struct Best<'a> {
    keys: &'a SegmentKeys<'a>,
    count: usize,
    entries: BinaryHeap<Entry>,
}

impl Best<'_> {
    fn offer(&mut self, doc: DocId, score: Score) {
        let is_full = self.entries.len() >= self.count;
        if !is_full || self.entries.peek().is_some_and(|worst| self.keys.beats(&worst.ranks, doc, score)) {
            if is_full {
                self.entries.pop();
            }
            self.entries.push(Entry { ranks: self.keys.ranks(doc, score), doc, score: score.to_bits() });
        }
    }
}

impl Search<'_> {
    fn is_worth_it(&self, seen: u64) -> Outcome<()> {
        if seen.is_multiple_of(STRIDE) {
            self.host.check()?;
        }
        Ok(())
    }

    fn in_segment(
        &mut self,
        reader: &SegmentReader,
        number: usize,
        keys: &SegmentKeys,
    ) -> Outcome<Vec<Entry>> {
        let mut best = Best { keys, count: self.count, entries: BinaryHeap::new() };
        let scorer = self.weight.as_ref().map(|weight| weight.scorer(reader, 1.0)).transpose()?;
        match (self.words, scorer) {
            (Some(words), scorer) => {
                let matches = sets::matches(words, number, reader, scorer);
                self.total += matches.count() as u64;
                self.score_best(Walk::begin(words, reader, number), &matches, &mut best)?;
            }
            (None, Some(scorer)) => self.see_all(reader, scorer, &mut best)?,
            (None, None) => {}
        }
        Ok(best.entries.into_vec())
    }

    fn see_all(
        &mut self,
        reader: &SegmentReader,
        mut scorer: Box<dyn Scorer>,
        best: &mut Best,
    ) -> Outcome<()> {
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            if !reader.is_deleted(doc) {
                self.is_worth_it(self.total)?;
                self.total += 1;
                best.offer(doc, scorer.score());
            }
            doc = scorer.advance();
        }
        Ok(())
    }

    /// The score that a match has to reach; None: each is welcome.
    fn worst(&self) -> Option<u32> {
        self.scores.peek().filter(|_| self.scores.len() >= self.count).map(|worst| worst.0)
    }

    fn score_best(&mut self, mut walk: Walk, matches: &Docs, best: &mut Best) -> Outcome<()> {
        let first = walk.first(matches);
        self.score_some(&mut walk, &first, best)?;
        let rest = walk.second(matches, is_hopeless(self.worst()));
        self.score_some(&mut walk, &rest, best)
    }

    fn score_some(&mut self, walk: &mut Walk, docs: &Docs, best: &mut Best) -> Outcome<()> {
        let mut worst = self.worst();
        let (mut rest, mut seen, mut block) = (docs.iter(), 0, usize::MAX);
        while let Some(doc) = rest.next() {
            self.is_worth_it(seen)?;
            seen += 1;
            if block != sets::block_of(doc) {
                block = sets::block_of(doc);
                if is_hopeless(worst)(walk.block_bound(block)) {
                    rest.skip_block();
                    continue;
                }
            }
            let Some(bound) = walk.bound(doc) else { continue };
            if is_hopeless(worst)(bound) {
                continue;
            }
            let score = walk.score(doc)?;
            best.offer(doc, score);
            self.note(order_of_score(score));
            worst = self.worst();
        }
        Ok(())
    }

    fn note(&mut self, score: u32) {
        if self.scores.len() < self.count {
            self.scores.push(Reverse(score));
        } else if self.scores.peek().is_some_and(|worst| worst.0 < score) {
            self.scores.pop();
            self.scores.push(Reverse(score));
        }
    }
}

/// Sums of the same shares in another order may differ in their last bits.
const SLACK: Score = 1e-5;

/// Whether no score up to this bound is among the best, of which this is the worst.
fn is_hopeless(worst: Option<u32>) -> impl Fn(Score) -> bool + Copy {
    move |bound| worst.is_some_and(|worst| order_of_score(bound + SLACK * bound) < worst)
}

/// How many match.
pub fn count(searcher: &Searcher, host: &Host, query: &dyn Query) -> Outcome<u64> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let mut total = 0;
    for reader in searcher.segment_readers() {
        host.check()?;
        total += u64::from(weight.count(reader)?);
    }
    Ok(total)
}

/// The first `count` matches in order, of which there is at least one wanted, and how many there are in all.
pub fn search(
    snapshot: &Snapshot,
    host: &Host,
    kept: &Kept,
    query: &Filtered,
    keys: &[Key],
    count: usize,
) -> Outcome<Ranked> {
    host.check()?;
    let searcher = &snapshot.searcher;
    let by_score = |key: &Key| matches!(key.kind, KeyKind::Score);
    let words = query.words.as_ref().filter(|_| matches!(keys, [key] if by_score(key) && key.descending));
    let scoring = if words.is_none() && keys.iter().any(by_score) {
        EnableScoring::enabled_from_searcher(searcher)
    } else {
        EnableScoring::disabled_from_searcher(searcher)
    };
    let narrowed = match words {
        Some(words) => words.narrowing.as_ref(),
        None => Some(&query.query),
    };
    let readers = searcher.segment_readers();
    let groups = words.map(|words| kept.groups(host, readers, words.groups.clone())).transpose()?;
    let mut search = Search {
        host,
        weight: narrowed.map(|query| query.weight(scoring)).transpose()?,
        words: groups.as_deref(),
        count,
        total: 0,
        scores: BinaryHeap::new(),
    };
    let (mut segments, mut candidates) = (Vec::new(), Vec::new());
    for (number, reader) in searcher.segment_readers().iter().enumerate() {
        host.check()?;
        let ids = snapshot.by_id[number].ids(reader)?;
        let keys_here = SegmentKeys::open(keys, reader, ids)?;
        let best = search.in_segment(reader, number, &keys_here)?;
        candidates.extend(best.into_iter().map(|entry| Candidate {
            segment: segments.len(),
            bytes: entry.ranks.iter().map(|_| OnceCell::new()).collect(),
            entry,
        }));
        segments.push(keys_here);
    }
    drop_hopeless(&mut candidates, keys, count);
    candidates.sort_by(|left, right| compare(&segments, left, right));
    candidates.truncate(count);
    let found = candidates.into_iter().map(|candidate| Found {
        address: DocAddress::new(candidate.segment as u32, candidate.entry.doc),
        score: Score::from_bits(candidate.entry.score),
    });
    Ok(Ranked { found: found.collect(), total: search.total })
}
