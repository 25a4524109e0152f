// SPDX-License-Identifier: MIT
//! The best matches of a query of words, without looking at all of them.
//!
//! Up to WEIR_TOTAL_EXACT matches each is looked at, because they are to be counted. Beyond, only documents that can
//! still be among the best are (MaxScore: H. Turtle, J. Flood, Query evaluation: strategies and optimizations, 1995):
//! a word of a field can add so much to a score and no more; the words that even together cannot reach the worst of
//! the best so far need not be walked through, only looked up. The hits are those of a search of all.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{Bm25Weight, Scorer};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, Searcher, Term, TERMINATED};

use crate::failure::Outcome;

/// A word of a field, and what multiplies its share of the score. The score is the sum of the shares.
#[derive(Clone)]
pub struct Leaf {
    pub term: Term,
    pub boost: f32,
}

/// A leaf with its weight over the whole index.
pub struct Weighed {
    term: Term,
    bm25: Bm25Weight,
}

pub fn weigh(searcher: &Searcher, leaves: &[Leaf]) -> Outcome<Vec<Weighed>> {
    let weigh = |leaf: &Leaf| -> Outcome<Weighed> {
        let bm25 = Bm25Weight::for_terms(searcher, std::slice::from_ref(&leaf.term))?.boost_by(leaf.boost);
        Ok(Weighed { term: leaf.term.clone(), bm25 })
    };
    leaves.iter().map(weigh).collect()
}

/// Where a word of a field stands in one segment.
struct List<'a> {
    postings: SegmentPostings,
    norms: FieldNormReader,
    bm25: &'a Bm25Weight,
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
    matching: Box<dyn Scorer>,
    /// Lists before this one are only looked up.
    essential: usize,
}

impl<'a> Walk<'a> {
    /// matching: of the same query and segment; its scores are not asked for.
    pub fn begin(
        reader: &SegmentReader,
        weighed: &'a [Weighed],
        matching: Box<dyn Scorer>,
    ) -> Outcome<Walk<'a>> {
        let mut lists = Vec::new();
        for Weighed { term, bm25 } in weighed {
            let inverted = reader.inverted_index(term.field())?;
            if let Some(postings) = inverted.read_postings(term, IndexRecordOption::WithFreqs)? {
                let norms = reader.get_fieldnorms_reader(term.field())?;
                lists.push(List { postings, norms, bm25, bound: bm25.max_score(), bound_so_far: 0.0 });
            }
        }
        lists.sort_by(|left, right| left.bound.total_cmp(&right.bound));
        let mut sum = 0.0;
        for list in &mut lists {
            sum += list.bound;
            list.bound_so_far = sum;
        }
        Ok(Walk { lists, matching, essential: 0 })
    }

    /// The match that it is at, or TERMINATED.
    pub fn doc(&self) -> DocId {
        self.matching.doc()
    }

    pub fn advance(&mut self) -> DocId {
        self.matching.advance()
    }

    /// The score of the document, when it can be good enough; is_hopeless is asked of sums that it cannot exceed.
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

    /// Goes on behind doc to a match that is not hopeless; TERMINATED: there is none.
    pub fn next_hopeful(&mut self, doc: DocId, is_hopeless: impl Fn(Score) -> bool) -> DocId {
        while self.essential < self.lists.len() && is_hopeless(self.lists[self.essential].bound_so_far) {
            self.essential += 1;
        }
        let mut after = doc + 1;
        loop {
            let walked = &mut self.lists[self.essential..];
            let Some(candidate) = walked.iter_mut().map(|list| list.seek(after)).min() else {
                return TERMINATED;
            };
            if candidate == TERMINATED {
                return TERMINATED;
            }
            let here = walked.iter().filter(|list| list.postings.doc() == candidate);
            let found: Score = here.map(List::score_here).sum();
            let rest = self.essential.checked_sub(1).map_or(0.0, |last| self.lists[last].bound_so_far);
            if !is_hopeless(found + rest) {
                if self.matching.doc() < candidate {
                    self.matching.seek(candidate);
                }
                if self.matching.doc() == candidate {
                    return candidate;
                }
                if self.matching.doc() == TERMINATED {
                    return TERMINATED;
                }
                /* Nothing matches before this one. */
                after = self.matching.doc();
            } else {
                after = candidate + 1;
            }
        }
    }
}
