// SPDX-License-Identifier: MIT
//! The best matches of a query of words, without looking at all of them.
//!
//! A document matches when of each group (a word, in any of its fields) some list has it. Up to WEIR_TOTAL_EXACT
//! matches each is looked at, because they are to be counted. Beyond, only documents that can still be among the best
//! are (MaxScore: H. Turtle, J. Flood, Query evaluation: strategies and optimizations, 1995): a word of a field can
//! add so much to a score and no more; lists that even together cannot reach the worst of the best so far need not
//! be walked through, only looked up. The hits are those of a search of all.

use std::collections::HashMap;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentReader;
use tantivy::postings::{Postings, SegmentPostings, TermInfo};
use tantivy::query::{Bm25Weight, Scorer};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, Searcher, Term, TERMINATED};

use crate::failure::Outcome;

/// A word of a field, and what multiplies its share of the score. The score is the sum of the shares.
#[derive(Clone)]
pub struct Leaf {
    pub term: Term,
    /// The field of words, which says how long documents are. Leaves that have it and their text in common are forms
    /// of one word: they count as one.
    pub words: Field,
    pub boost: f32,
}

impl Leaf {
    fn word(&self) -> (Field, &[u8]) {
        (self.words, self.term.serialized_value_bytes())
    }
}

struct Weighed {
    field: Field,
    words: Field,
    group: usize,
    bm25: Bm25Weight,
    /// By segment.
    found: Vec<Option<TermInfo>>,
}

/// A query of words, weighed over the whole index.
pub struct Words {
    leaves: Vec<Weighed>,
    group_count: usize,
}

impl Words {
    pub fn weigh(searcher: &Searcher, groups: &[Vec<Leaf>]) -> Outcome<Words> {
        let readers = searcher.segment_readers();
        let documents: u64 = readers.iter().map(|reader| u64::from(reader.max_doc())).sum();
        let mut lengths: HashMap<Field, Score> = HashMap::new();
        let mut leaves = Vec::new();
        for (group, of_group) in groups.iter().enumerate() {
            let mut frequencies: HashMap<(Field, &[u8]), u64> = HashMap::new();
            let mut found = Vec::new();
            for leaf in of_group {
                let infos = term_infos(readers, &leaf.term)?;
                let frequency: u64 = infos.iter().flatten().map(|info| u64::from(info.doc_freq)).sum();
                *frequencies.entry(leaf.word()).or_default() += frequency;
                if frequency > 0 {
                    found.push((leaf, infos));
                }
            }
            for (leaf, found) in found {
                let length = match lengths.get(&leaf.words) {
                    Some(length) => *length,
                    None => mean_length(readers, leaf.words, documents)?,
                };
                lengths.insert(leaf.words, length);
                let frequency = frequencies[&leaf.word()].min(documents);
                let bm25 = Bm25Weight::for_one_term_without_explain(frequency, documents, length);
                let (field, words) = (leaf.term.field(), leaf.words);
                leaves.push(Weighed { field, words, group, bm25: bm25.boost_by(leaf.boost), found });
            }
        }
        Ok(Words { leaves, group_count: groups.len() })
    }
}

fn term_infos(readers: &[SegmentReader], term: &Term) -> Outcome<Vec<Option<TermInfo>>> {
    readers.iter().map(|reader| Ok(reader.inverted_index(term.field())?.get_term_info(term)?)).collect()
}

fn mean_length(readers: &[SegmentReader], words: Field, documents: u64) -> Outcome<Score> {
    let mut tokens = 0;
    for reader in readers {
        tokens += reader.inverted_index(words)?.total_num_tokens();
    }
    Ok(tokens as Score / documents as Score)
}

/// Where a word of a field stands in one segment.
struct List<'a> {
    postings: SegmentPostings,
    norms: FieldNormReader,
    bm25: &'a Bm25Weight,
    group: usize,
    /// It adds no more than this.
    bound: Score,
    /// The bounds of this one and of all before it.
    bound_so_far: Score,
}

impl List<'_> {
    fn score_here(&self) -> Score {
        self.bm25.score(self.norms.fieldnorm_id(self.postings.doc()), self.postings.term_freq())
    }

    fn seek(&mut self, doc: DocId) -> DocId {
        if self.postings.doc() < doc {
            self.postings.seek(doc)
        } else {
            self.postings.doc()
        }
    }
}

/// Matches of one segment in order, those that may be among the best.
pub struct Walk<'a> {
    /// By bound, the lowest first.
    lists: Vec<List<'a>>,
    /// Of each group the numbers of its lists, the rarest group first.
    groups: Vec<Vec<usize>>,
    /// Matches are to be among these too.
    narrowing: Option<Box<dyn Scorer>>,
    /// Lists before this one are only looked up.
    essential: usize,
}

impl<'a> Walk<'a> {
    /// None: nothing matches in this segment.
    pub fn begin(
        words: &'a Words,
        reader: &SegmentReader,
        number: usize,
        narrowing: Option<Box<dyn Scorer>>,
    ) -> Outcome<Option<Walk<'a>>> {
        let mut lists = Vec::new();
        for leaf in &words.leaves {
            let Some(info) = &leaf.found[number] else { continue };
            let inverted = reader.inverted_index(leaf.field)?;
            lists.push(List {
                postings: inverted.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?,
                norms: reader.get_fieldnorms_reader(leaf.words)?,
                bm25: &leaf.bm25,
                group: leaf.group,
                bound: leaf.bm25.max_score(),
                bound_so_far: 0.0,
            });
        }
        lists.sort_by(|left, right| left.bound.total_cmp(&right.bound));
        let (mut sum, mut groups) = (0.0, vec![Vec::new(); words.group_count]);
        for (number, list) in lists.iter_mut().enumerate() {
            sum += list.bound;
            list.bound_so_far = sum;
            groups[list.group].push(number);
        }
        if groups.iter().any(Vec::is_empty) {
            return Ok(None);
        }
        groups.sort_by_key(|of| {
            of.iter().map(|list| u64::from(lists[*list].postings.size_hint())).sum::<u64>()
        });
        Ok(Some(Walk { lists, groups, narrowing, essential: 0 }))
    }

    /// The first document from this one on that some list of the group has.
    fn seek_group(&mut self, group: usize, doc: DocId) -> DocId {
        let mut first = TERMINATED;
        for list in &self.groups[group] {
            first = first.min(self.lists[*list].seek(doc));
            if first == doc {
                break;
            }
        }
        first
    }

    /// The document, if it matches, or a later one before which nothing matches. The first group is known to have it.
    fn agree(&mut self, doc: DocId, first: usize) -> DocId {
        for group in first..self.groups.len() {
            let found = self.seek_group(group, doc);
            if found != doc {
                return found;
            }
        }
        match &mut self.narrowing {
            Some(narrowing) if narrowing.doc() < doc => narrowing.seek(doc),
            Some(narrowing) => narrowing.doc(),
            None => doc,
        }
    }

    /// The first match from this document on, or TERMINATED.
    pub fn seek(&mut self, from: DocId) -> DocId {
        let mut from = from;
        loop {
            let doc = self.seek_group(0, from);
            if doc == TERMINATED {
                return TERMINATED;
            }
            from = self.agree(doc, 1);
            if from == doc || from == TERMINATED {
                return from;
            }
        }
    }

    /// The score of a match, when it can be good enough; is_hopeless is asked of sums that it cannot exceed.
    pub fn score(&mut self, doc: DocId, is_hopeless: impl Fn(Score) -> bool) -> Option<Score> {
        let mut score = 0.0;
        for list in self.lists.iter_mut().rev() {
            if is_hopeless(score + list.bound_so_far) {
                return None;
            }
            if list.seek(doc) == doc {
                score += list.score_here();
            }
        }
        Some(score)
    }

    /// The first match from this document on that is not hopeless, or TERMINATED.
    pub fn seek_hopeful(&mut self, from: DocId, is_hopeless: impl Fn(Score) -> bool) -> DocId {
        while self.essential < self.lists.len() && is_hopeless(self.lists[self.essential].bound_so_far) {
            self.essential += 1;
        }
        let rest = self.essential.checked_sub(1).map_or(0.0, |last| self.lists[last].bound_so_far);
        let mut from = from;
        loop {
            let walked = &mut self.lists[self.essential..];
            let candidate = walked.iter_mut().map(|list| list.seek(from)).min().unwrap_or(TERMINATED);
            if candidate == TERMINATED {
                return TERMINATED;
            }
            let here = walked.iter().filter(|list| list.postings.doc() == candidate);
            let found: Score = here.map(List::score_here).sum();
            if is_hopeless(found + rest) {
                from = candidate + 1;
                continue;
            }
            from = self.agree(candidate, 0);
            if from == candidate || from == TERMINATED {
                return from;
            }
        }
    }
}
