// SPDX-License-Identifier: MIT
//! Which documents of a segment have a word, and what it can add to their scores; kept from one search to the next.
//!
//! A word of a search stands in some fields, in each as it is and as the stem of others: ten lists in each segment.
//! Here they become one set, with an impact of each document: a bound of what all ten lists add to its score. A
//! segment never changes, so neither does what is kept of it, whatever commits and merges do to others. How much a
//! word weighs does change, with how rare it is and how long documents are: impacts are of the weights that they were
//! made with, and are stretched by as much as these have changed.
//!
//! Concurrency: sessions of several threads share what is kept, under a lock that is held only to look it up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tantivy::index::{SegmentId, SegmentReader};
use tantivy::postings::TermInfo;
use tantivy::query::{Bm25Weight, Scorer};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, Score, Term};

use crate::failure::Outcome;
use crate::files::locked;
use crate::host::Host;

/// Of all that is kept.
const KEPT_BYTES: usize = 24 << 20;
/// From one document in so many on, bits take less room than numbers.
const SPARSE: usize = 32;
/// Words of bits between two of which it is said how many bits there are before.
const RANK_STEP: usize = 8;
/// Impacts are steps up to this one.
const STEPS: u8 = u8::MAX;
/// One document in so many is among those with the highest impacts.
const HIGH_SHARE: usize = 16;
/// With fewer documents than this there is no point in telling them apart.
const HIGH_DOCUMENTS: usize = 512;
/// Impacts are made anew when one list's weight has grown by so much more than another's.
const DRIFT: Score = 1.25;

/// A word of a field, and what multiplies its share of the score. The score is the sum of the shares.
#[derive(Clone)]
pub struct Leaf {
    pub term: Term,
    /// The field of words, which says how long documents are. Leaves that have it and their text in common are forms
    /// of one word: they count as one.
    pub words: Field,
    pub boost: f32,
}

/// Documents of a segment, in order.
#[derive(Clone)]
pub enum Docs {
    List(Vec<DocId>),
    Bits { words: Vec<u64>, count: usize },
}

fn has(words: &[u64], doc: DocId) -> bool {
    words[block_of(doc)] >> (doc % 64) & 1 != 0
}

fn each_bit(words: &[u64], mut on_doc: impl FnMut(DocId)) {
    for (place, word) in words.iter().enumerate() {
        let mut word = *word;
        while word != 0 {
            on_doc(place as DocId * 64 + word.trailing_zeros());
            word &= word - 1;
        }
    }
}

impl Docs {
    fn of(words: Vec<u64>) -> Docs {
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        if count >= words.len() * 64 / SPARSE {
            return Docs::Bits { words, count };
        }
        let mut list = Vec::with_capacity(count);
        each_bit(&words, |doc| list.push(doc));
        Docs::List(list)
    }

    pub fn count(&self) -> usize {
        match self {
            Docs::List(list) => list.len(),
            Docs::Bits { count, .. } => *count,
        }
    }

    pub fn for_each(&self, mut on_doc: impl FnMut(DocId)) {
        match self {
            Docs::List(list) => list.iter().for_each(|doc| on_doc(*doc)),
            Docs::Bits { words, .. } => each_bit(words, on_doc),
        }
    }

    pub fn iter(&self) -> Iter<'_> {
        match self {
            Docs::List(list) => Iter { list, words: &[], place: 0, word: 0 },
            Docs::Bits { words, .. } => {
                Iter { list: &[], words, place: 0, word: words.first().copied().unwrap_or(0) }
            }
        }
    }

    pub fn and(&self, other: &Docs) -> Docs {
        match (self, other) {
            (Docs::Bits { words, .. }, Docs::Bits { words: others, .. }) => {
                Docs::of(words.iter().zip(others).map(|(word, other)| word & other).collect())
            }
            (Docs::List(list), Docs::Bits { words, .. }) | (Docs::Bits { words, .. }, Docs::List(list)) => {
                Docs::List(list.iter().copied().filter(|doc| has(words, *doc)).collect())
            }
            (Docs::List(few), Docs::List(many)) => {
                let (few, many) = if few.len() <= many.len() { (few, many) } else { (many, few) };
                Docs::List(in_both(few, many))
            }
        }
    }

    pub fn or(&self, other: &Docs) -> Docs {
        match (self, other) {
            (Docs::Bits { words, .. }, Docs::Bits { words: others, .. }) => {
                Docs::of(words.iter().zip(others).map(|(word, other)| word | other).collect())
            }
            (Docs::List(list), Docs::Bits { words, .. }) | (Docs::Bits { words, .. }, Docs::List(list)) => {
                let mut words = words.clone();
                list.iter().for_each(|doc| words[block_of(*doc)] |= 1 << (doc % 64));
                Docs::of(words)
            }
            (Docs::List(list), Docs::List(others)) => {
                let mut all = [&list[..], others].concat();
                all.sort();
                all.dedup();
                Docs::List(all)
            }
        }
    }

    fn only(&self, mut wanted: impl FnMut(DocId) -> bool) -> Docs {
        let mut list = Vec::new();
        self.for_each(|doc| {
            if wanted(doc) {
                list.push(doc);
            }
        });
        Docs::List(list)
    }

    fn bytes(&self) -> usize {
        match self {
            Docs::List(list) => list.len() * size_of::<DocId>(),
            Docs::Bits { words, .. } => words.len() * size_of::<u64>(),
        }
    }
}

fn in_both(few: &[DocId], many: &[DocId]) -> Vec<DocId> {
    let mut both = Vec::new();
    let mut rest = many;
    for doc in few {
        rest = &rest[before(rest, *doc)..];
        if rest.first() == Some(doc) {
            both.push(*doc);
        }
    }
    both
}

/// How many of the list come before the document: doubling steps, then halves, as it is mostly near.
fn before(list: &[DocId], doc: DocId) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < doc {
        step *= 2;
    }
    let end = list.len().min(step + 1);
    list[..end].partition_point(|other| *other < doc)
}

pub struct Iter<'a> {
    list: &'a [DocId],
    words: &'a [u64],
    place: usize,
    word: u64,
}

impl Iter<'_> {
    /// Leaves out what else there is, of bits, in the block of the document that came last.
    pub fn skip_block(&mut self) {
        self.word = 0;
    }
}

/// Of a document: its word of the bits.
pub fn block_of(doc: DocId) -> usize {
    (doc / u64::BITS) as usize
}

impl Iterator for Iter<'_> {
    type Item = DocId;

    fn next(&mut self) -> Option<DocId> {
        if let Some((first, rest)) = self.list.split_first() {
            self.list = rest;
            return Some(*first);
        }
        while self.word == 0 {
            self.place += 1;
            self.word = *self.words.get(self.place)?;
        }
        let doc = self.place as DocId * 64 + self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(doc)
    }
}

/// What a list weighs in a search.
pub struct Weight {
    pub bm25: Bm25Weight,
    /// How rare the word is, and its boost.
    scale: Score,
    /// Of documents, on average.
    length: Score,
}

/// How long documents are on average, by field of words.
pub struct Lengths<'a> {
    readers: &'a [SegmentReader],
    documents: u64,
    known: HashMap<Field, Score>,
}

impl<'a> Lengths<'a> {
    pub fn new(readers: &'a [SegmentReader]) -> Lengths<'a> {
        let documents = readers.iter().map(|reader| u64::from(reader.max_doc())).sum();
        Lengths { readers, documents, known: HashMap::new() }
    }

    fn of(&mut self, words: Field) -> Outcome<Score> {
        if let Some(length) = self.known.get(&words) {
            return Ok(*length);
        }
        let mut tokens = 0;
        for reader in self.readers {
            tokens += reader.inverted_index(words)?.total_num_tokens();
        }
        let length = tokens as Score / self.documents as Score;
        self.known.insert(words, length);
        Ok(length)
    }

    /// Of each leaf, of which so many documents have it; None: none has.
    fn weigh(&mut self, leaves: &[Leaf], frequencies: &[u64]) -> Outcome<Vec<Option<Weight>>> {
        let word = |leaf: &Leaf| (leaf.words, leaf.term.serialized_value_bytes().to_vec());
        let mut of_words: HashMap<(Field, Vec<u8>), u64> = HashMap::new();
        for (leaf, frequency) in leaves.iter().zip(frequencies) {
            *of_words.entry(word(leaf)).or_default() += frequency;
        }
        let mut weights = Vec::with_capacity(leaves.len());
        for (leaf, frequency) in leaves.iter().zip(frequencies) {
            if *frequency == 0 {
                weights.push(None);
                continue;
            }
            let (length, frequency) = (self.of(leaf.words)?, of_words[&word(leaf)].min(self.documents));
            let bm25 = Bm25Weight::for_one_term_without_explain(frequency, self.documents, length);
            let others = (self.documents - frequency) as Score + 0.5;
            let rareness = (1.0 + others / (frequency as Score + 0.5)).ln();
            weights.push(Some(Weight {
                bm25: bm25.boost_by(leaf.boost),
                scale: rareness * leaf.boost,
                length,
            }));
        }
        Ok(weights)
    }
}

/// What a word can add to the scores of documents.
struct Impacts {
    /// Of each document of the set, in steps; at least one.
    of: Vec<u8>,
    /// Of bits: how many there are before each RANK_STEP of words, and the highest impact of each word.
    ranks: Vec<u32>,
    peaks: Vec<u8>,
    step: Score,
    /// Documents with more than `low` steps.
    high: Docs,
    low: u8,
    /// Scale and length of each leaf when this was made.
    basis: Vec<(Score, Score)>,
}

/// Where a word, in any of its fields, stands in one segment.
pub struct Part {
    pub docs: Docs,
    /// Of each leaf, if the segment has it.
    pub lists: Vec<Option<TermInfo>>,
    impacts: Impacts,
}

fn find(reader: &SegmentReader, leaves: &[Leaf]) -> Outcome<Vec<Option<TermInfo>>> {
    let of = |leaf: &Leaf| Ok(reader.inverted_index(leaf.term.field())?.get_term_info(&leaf.term)?);
    leaves.iter().map(of).collect()
}

/// Hands out all documents of a list with how often each has the word.
fn each_posting(
    reader: &SegmentReader,
    leaf: &Leaf,
    info: &TermInfo,
    mut on_doc: impl FnMut(DocId, u32),
) -> Outcome<()> {
    let inverted = reader.inverted_index(leaf.term.field())?;
    let mut blocks = inverted.read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
    while !blocks.docs().is_empty() {
        blocks.docs().iter().zip(blocks.freqs()).for_each(|(doc, often)| on_doc(*doc, *often));
        blocks.advance();
    }
    Ok(())
}

fn ranks_of(words: &[u64]) -> Vec<u32> {
    let mut sum = 0;
    let of = |words: &[u64]| {
        let before = sum;
        sum += words.iter().map(|word| word.count_ones()).sum::<u32>();
        before
    };
    words.chunks(RANK_STEP).map(of).collect()
}

/// Where the document, which it has, stands among those of the bits.
fn rank(words: &[u64], ranks: &[u32], doc: DocId) -> usize {
    let place = block_of(doc);
    let first = place / RANK_STEP * RANK_STEP;
    let between = words[first..place].iter().map(|word| word.count_ones()).sum::<u32>();
    let here = words[place] & ((1 << (doc % 64)) - 1);
    (ranks[place / RANK_STEP] + between + here.count_ones()) as usize
}

impl Part {
    fn made(
        reader: &SegmentReader,
        leaves: &[Leaf],
        lists: Vec<Option<TermInfo>>,
        weights: &[Option<Weight>],
    ) -> Outcome<Part> {
        let mut words = vec![0u64; reader.max_doc().div_ceil(64) as usize];
        for (leaf, info) in leaves.iter().zip(&lists) {
            if let Some(info) = info {
                let mut add = |doc: DocId| words[block_of(doc)] |= 1 << (doc % 64);
                each_posting(reader, leaf, info, |doc, _| add(doc))?;
            }
        }
        let ranks = ranks_of(&words);
        let mut scores = vec![0.0; words.iter().map(|word| word.count_ones() as usize).sum()];
        for ((leaf, info), weight) in leaves.iter().zip(&lists).zip(weights) {
            if let (Some(info), Some(weight)) = (info, weight) {
                let norms = reader.get_fieldnorms_reader(leaf.words)?;
                let (mut place, mut before) = (0, 0);
                each_posting(reader, leaf, info, |doc, often| {
                    let block = block_of(doc);
                    if block >= place + 2 * RANK_STEP {
                        place = block / RANK_STEP * RANK_STEP;
                        before = ranks[place / RANK_STEP];
                    }
                    before += words[place..block].iter().map(|word| word.count_ones()).sum::<u32>();
                    place = block;
                    let here = words[block] & ((1 << (doc % 64)) - 1);
                    let score = weight.bm25.score(norms.fieldnorm_id(doc), often);
                    scores[(before + here.count_ones()) as usize] += score;
                })?;
            }
        }
        let docs = Docs::of(words);
        let impacts = Impacts::made(&docs, ranks, &scores, weights);
        Ok(Part { docs, lists, impacts })
    }

    /// What a step is worth with these weights; None: too uncertain.
    fn step(&self, weights: &[Option<Weight>]) -> Option<Score> {
        let (mut least, mut most) = (Score::INFINITY, 0.0);
        for ((list, basis), weight) in self.lists.iter().zip(&self.impacts.basis).zip(weights) {
            let (Some(_), Some(weight), (scale, length)) = (list, weight, basis) else { continue };
            /* Where documents are longer on average, each is shorter beside them: its score grows no faster. */
            let growth = weight.scale / scale * (weight.length / length).max(1.0);
            least = growth.min(least);
            most = growth.max(most);
        }
        (most <= DRIFT * least).then_some(self.impacts.step * most)
    }

    fn bytes(&self) -> usize {
        let Impacts { of, ranks, peaks, high, .. } = &self.impacts;
        let impacts = of.len() + size_of_val(&ranks[..]) + peaks.len() + high.bytes();
        size_of::<Part>()
            + self.docs.bytes()
            + impacts
            + size_of_val(&self.lists[..])
            + size_of_val(&self.impacts.basis[..])
    }
}

impl Impacts {
    fn made(docs: &Docs, ranks: Vec<u32>, scores: &[Score], weights: &[Option<Weight>]) -> Impacts {
        let most = scores.iter().copied().fold(Score::MIN_POSITIVE, Score::max);
        let step = most / Score::from(STEPS);
        let of: Vec<u8> = scores.iter().map(|score| (score / step).ceil().max(1.0) as u8).collect();
        let mut counts = [0usize; 1 + STEPS as usize];
        of.iter().for_each(|steps| counts[usize::from(*steps)] += 1);
        let (mut low, mut above) = (STEPS, 0);
        let enough = if of.len() < HIGH_DOCUMENTS { 0 } else { of.len() / HIGH_SHARE };
        while low > 0 && above + counts[usize::from(low)] <= enough {
            above += counts[usize::from(low)];
            low -= 1;
        }
        let mut high = Vec::with_capacity(above);
        high.extend(docs.iter().zip(&of).filter(|(_, steps)| **steps > low).map(|(doc, _)| doc));
        let basis = |weight: &Option<Weight>| {
            weight.as_ref().map_or((0.0, 0.0), |weight| (weight.scale, weight.length))
        };
        let (mut ranks, mut peaks) = (ranks, Vec::new());
        match docs {
            Docs::List(_) => ranks = Vec::new(),
            Docs::Bits { words, .. } => {
                peaks.resize(words.len(), 0);
                for (doc, steps) in docs.iter().zip(&of) {
                    peaks[block_of(doc)] = peaks[block_of(doc)].max(*steps);
                }
            }
        }
        Impacts {
            of,
            ranks,
            peaks,
            step,
            high: Docs::List(high),
            low,
            basis: weights.iter().map(basis).collect(),
        }
    }
}

/// Asks one part for the impacts of documents, in order.
pub struct Cursor<'a> {
    part: &'a Part,
    place: usize,
    step: Score,
}

impl<'a> Cursor<'a> {
    /// None: the document does not have the word. Else a bound of what it adds to the score, and whether the document
    /// is one of the high ones.
    pub fn bound(&mut self, doc: DocId) -> Option<(Score, bool)> {
        let impacts = &self.part.impacts;
        let place = match &self.part.docs {
            Docs::List(list) => {
                self.place += before(&list[self.place..], doc);
                (list.get(self.place) == Some(&doc)).then_some(self.place)?
            }
            Docs::Bits { words, .. } => has(words, doc).then(|| rank(words, &impacts.ranks, doc))?,
        };
        let steps = impacts.of[place];
        Some((Score::from(steps) * self.step, steps > impacts.low))
    }

    /// What it adds to the score of any document of a block.
    pub fn block_bound(&self, block: usize) -> Score {
        let steps = self.part.impacts.peaks.get(block).copied().unwrap_or(STEPS);
        Score::from(steps) * self.step
    }

    /// Documents with the highest bounds.
    pub fn high(&self) -> &'a Docs {
        &self.part.impacts.high
    }

    /// No other document has a higher bound.
    pub fn low_bound(&self) -> Score {
        Score::from(self.part.impacts.low) * self.step
    }

    pub fn highest_bound(&self) -> Score {
        if self.part.docs.count() == 0 {
            return 0.0;
        }
        Score::from(STEPS) * self.step
    }
}

/// A word of a search, in all segments.
pub struct Word {
    pub leaves: Vec<Leaf>,
    pub weights: Vec<Option<Weight>>,
    pub parts: Vec<Arc<Part>>,
}

impl Word {
    pub fn cursor(&self, number: usize) -> Cursor<'_> {
        let part = &self.parts[number];
        /* Where it would be None the part was made anew. */
        let step = part.step(&self.weights).unwrap_or(Score::INFINITY);
        Cursor { part, place: 0, step }
    }
}

#[derive(Default)]
struct Group {
    parts: HashMap<SegmentId, Arc<Part>>,
    bytes: usize,
    used: u64,
}

#[derive(Default)]
struct All {
    words: HashMap<Vec<u8>, Group>,
    bytes: usize,
    /// Counts what was looked up.
    clock: u64,
}

/// Parts of words, by their leaves.
#[derive(Default)]
pub struct Kept(Mutex<All>);

fn key_of(leaves: &[Leaf]) -> Vec<u8> {
    let mut key = Vec::new();
    for leaf in leaves {
        let term = leaf.term.serialized_value_bytes();
        key.extend_from_slice(&leaf.words.field_id().to_le_bytes());
        key.extend_from_slice(&leaf.term.field().field_id().to_le_bytes());
        key.extend_from_slice(&(term.len() as u32).to_le_bytes());
        key.extend_from_slice(term);
    }
    key
}

impl Kept {
    /// The words of each group, of which a match has one at least.
    pub fn groups(
        &self,
        host: &Host,
        readers: &[SegmentReader],
        groups: Vec<Vec<Vec<Leaf>>>,
    ) -> Outcome<Vec<Vec<Word>>> {
        let mut lengths = Lengths::new(readers);
        let mut word = |leaves| {
            host.check()?;
            self.word(readers, leaves, &mut lengths)
        };
        groups.into_iter().map(|words| words.into_iter().map(&mut word).collect()).collect()
    }

    fn word(&self, readers: &[SegmentReader], leaves: Vec<Leaf>, lengths: &mut Lengths) -> Outcome<Word> {
        let key = key_of(&leaves);
        let known = self.known(readers, &key);
        let mut lists = Vec::with_capacity(readers.len());
        let mut frequencies = vec![0; leaves.len()];
        for (reader, known) in readers.iter().zip(&known) {
            let of_segment = match known {
                Some(part) => Cow::Borrowed(&part.lists),
                None => Cow::Owned(find(reader, &leaves)?),
            };
            for (frequency, info) in frequencies.iter_mut().zip(of_segment.iter()) {
                *frequency += info.as_ref().map_or(0, |info| u64::from(info.doc_freq));
            }
            lists.push(of_segment);
        }
        let weights = lengths.weigh(&leaves, &frequencies)?;
        let (mut parts, mut is_new) = (Vec::with_capacity(readers.len()), false);
        for ((reader, known), lists) in readers.iter().zip(&known).zip(lists) {
            parts.push(match known.as_ref().filter(|part| part.step(&weights).is_some()) {
                Some(part) => part.clone(),
                None => {
                    is_new = true;
                    Arc::new(Part::made(reader, &leaves, lists.into_owned(), &weights)?)
                }
            });
        }
        if is_new {
            self.keep(readers, key, &parts);
        }
        Ok(Word { leaves, weights, parts })
    }

    fn known(&self, readers: &[SegmentReader], key: &[u8]) -> Vec<Option<Arc<Part>>> {
        let mut all = locked(&self.0);
        all.clock += 1;
        let clock = all.clock;
        let Some(group) = all.words.get_mut(key) else { return vec![None; readers.len()] };
        group.used = clock;
        readers.iter().map(|reader| group.parts.get(&reader.segment_id()).cloned()).collect()
    }

    fn keep(&self, readers: &[SegmentReader], key: Vec<u8>, parts: &[Arc<Part>]) {
        let bytes = key.len() + parts.iter().map(|part| part.bytes()).sum::<usize>();
        let ids = readers.iter().map(SegmentReader::segment_id);
        let mut all = locked(&self.0);
        let group = Group { parts: ids.zip(parts.iter().cloned()).collect(), bytes, used: all.clock };
        all.bytes += bytes;
        all.bytes -= all.words.insert(key, group).map_or(0, |old| old.bytes);
        while all.bytes > KEPT_BYTES {
            let oldest = all.words.iter().min_by_key(|(_, group)| group.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            all.bytes -= all.words.remove(&oldest).map_or(0, |old| old.bytes);
        }
    }
}

/// Documents of the segment that have a word of each group, that narrowing has too, and that live.
pub fn matches<'a>(
    groups: &'a [Vec<Word>],
    number: usize,
    reader: &SegmentReader,
    narrowing: Option<Box<dyn Scorer>>,
) -> Cow<'a, Docs> {
    let mut sets: Vec<Cow<'a, Docs>> = groups.iter().map(|words| union(words, number)).collect();
    sets.sort_by_key(|docs| docs.count());
    let mut sets = sets.into_iter();
    let Some(mut both) = sets.next() else { return Cow::Owned(Docs::List(Vec::new())) };
    for docs in sets {
        both = Cow::Owned(both.and(&docs));
    }
    if let Some(mut narrowing) = narrowing {
        both = Cow::Owned(both.only(|doc| {
            let at = if narrowing.doc() < doc { narrowing.seek(doc) } else { narrowing.doc() };
            at == doc
        }));
    }
    if reader.has_deletes() {
        both = Cow::Owned(both.only(|doc| !reader.is_deleted(doc)));
    }
    both
}

fn union(words: &[Word], number: usize) -> Cow<'_, Docs> {
    let mut all = words.iter().map(|word| Cow::Borrowed(&word.parts[number].docs));
    let Some(first) = all.next() else { return Cow::Owned(Docs::List(Vec::new())) };
    all.fold(first, |union, docs| Cow::Owned(union.or(&docs)))
}
