// SPDX-License-Identifier: MIT
//! The best matches of a query of words, without scoring all of them.
//!
//! sets.rs says which documents match, and of each a bound of what each word adds to its score (as in impact-ordered
//! lists: V. Anh, A. Moffat, Pruned query evaluation using pre-computed impacts, 2006). First come documents that are
//! high in all words; then, of the others, those whose bounds reach the worst of the best so far. The hits are those
//! of a search of all.

use std::borrow::Cow;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::Bm25Weight;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score};

use crate::failure::Outcome;
use crate::sets::{Cursor, Docs, Word};

struct List<'a> {
    postings: SegmentPostings,
    norms: FieldNormReader,
    bm25: &'a Bm25Weight,
}

/// Scores matches of one segment: the first ones in order, then the second ones.
pub struct Walk<'a> {
    reader: &'a SegmentReader,
    number: usize,
    words: Vec<&'a Word>,
    cursors: Vec<Cursor<'a>>,
    /// Opened when the first document is scored.
    lists: Option<Vec<List<'a>>>,
    is_second: bool,
}

impl<'a> Walk<'a> {
    pub fn begin(groups: &'a [Vec<Word>], reader: &'a SegmentReader, number: usize) -> Walk<'a> {
        let words: Vec<&Word> = groups.iter().flatten().collect();
        let cursors = words.iter().map(|word| word.cursor(number)).collect();
        Walk { reader, number, words, cursors, lists: None, is_second: false }
    }

    /// The matches that are high in all words.
    pub fn first<'d>(&self, matches: &'d Docs) -> Cow<'d, Docs> {
        self.high_in_all(matches, |_| true)
    }

    fn high_in_all<'d>(&self, matches: &'d Docs, is_asked: impl Fn(&Cursor) -> bool) -> Cow<'d, Docs> {
        let asked = self.cursors.iter().filter(|cursor| is_asked(cursor));
        let mut high: Vec<&Docs> = asked.map(Cursor::high).collect();
        high.sort_by_key(|docs| docs.count());
        high.into_iter().fold(Cow::Borrowed(matches), |both, docs| Cow::Owned(both.and(docs)))
    }

    /// Goes back, and passes over what was among the first. Answers the matches that may not be hopeless.
    pub fn second<'d>(&mut self, matches: &'d Docs, is_hopeless: impl Fn(Score) -> bool) -> Cow<'d, Docs> {
        self.is_second = true;
        self.lists = None;
        for (cursor, word) in self.cursors.iter_mut().zip(&self.words) {
            *cursor = word.cursor(self.number);
        }
        let highest: Score = self.cursors.iter().map(Cursor::highest_bound).sum();
        let is_needed = |cursor: &Cursor| is_hopeless(highest - cursor.highest_bound() + cursor.low_bound());
        if self.cursors.iter().any(is_needed) {
            return self.high_in_all(matches, is_needed);
        }
        let lowest: Score = self.cursors.iter().map(Cursor::low_bound).sum();
        if !is_hopeless(lowest) {
            return Cow::Borrowed(matches);
        }
        let high = self.cursors.iter().map(Cursor::high);
        let any = high.fold(Docs::List(Vec::new()), |any, docs| any.or(docs));
        Cow::Owned(matches.and(&any))
    }

    /// What the document's score cannot exceed; None: it was among the first.
    pub fn bound(&mut self, doc: DocId) -> Option<Score> {
        let (mut sum, mut was_first) = (0.0, self.is_second);
        for cursor in &mut self.cursors {
            let (bound, is_high) = cursor.bound(doc).unwrap_or((0.0, false));
            sum += bound;
            was_first &= is_high;
        }
        (!was_first).then_some(sum)
    }

    /// What no score of a document of the block exceeds.
    pub fn block_bound(&self, block: usize) -> Score {
        self.cursors.iter().map(|cursor| cursor.block_bound(block)).sum()
    }

    fn open(&self) -> Outcome<Vec<List<'a>>> {
        let mut lists = Vec::new();
        for word in &self.words {
            let infos = word.parts[self.number].lists.iter();
            for ((leaf, info), weight) in word.leaves.iter().zip(infos).zip(&word.weights) {
                if let (Some(info), Some(weight)) = (info, weight) {
                    let inverted = self.reader.inverted_index(leaf.term.field())?;
                    lists.push(List {
                        postings: inverted.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?,
                        norms: self.reader.get_fieldnorms_reader(leaf.words)?,
                        bm25: &weight.bm25,
                    });
                }
            }
        }
        Ok(lists)
    }

    pub fn score(&mut self, doc: DocId) -> Outcome<Score> {
        let mut lists = match self.lists.take() {
            Some(lists) => lists,
            None => self.open()?,
        };
        let mut score = 0.0;
        for List { postings, norms, bm25 } in &mut lists {
            if postings.doc() < doc {
                postings.seek(doc);
            }
            if postings.doc() == doc {
                score += bm25.score(norms.fieldnorm_id(doc), postings.term_freq());
            }
        }
        self.lists = Some(lists);
        Ok(score)
    }
}
