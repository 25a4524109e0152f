// SPDX-License-Identifier: MIT
//! Words near each other, in any order: so many places in a row hold all of them, each as often as it is
//! wanted. tantivy's own slop counts moves, which is something else; so the positions are looked at here.

use std::collections::BTreeMap;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{Bm25Weight, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, Term, TERMINATED};

#[derive(Clone, Debug)]
pub struct NearQuery {
    field: Field,
    /// Each word once, with how often it is wanted.
    words: Vec<(Term, usize)>,
    window: u64,
}

impl NearQuery {
    /// distance: how many other words may stand between them in all.
    pub fn new(field: Field, words: &[String], distance: u32) -> NearQuery {
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for word in words {
            *wanted.entry(word).or_default() += 1;
        }
        let words_of_field =
            wanted.into_iter().map(|(word, often)| (Term::from_field_text(field, word), often)).collect();
        NearQuery { field, words: words_of_field, window: words.len() as u64 + u64::from(distance) }
    }
}

impl Query for NearQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let terms: Vec<Term> = self.words.iter().map(|(term, _)| term.clone()).collect();
        let bm25 = match scoring {
            EnableScoring::Enabled { statistics_provider, .. } => {
                Some(Bm25Weight::for_terms(statistics_provider, &terms)?)
            }
            EnableScoring::Disabled { .. } => None,
        };
        Ok(Box::new(NearWeight { query: self.clone(), bm25 }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        for (term, _) in &self.words {
            visitor(term, true);
        }
    }
}

struct NearWeight {
    query: NearQuery,
    bm25: Option<Bm25Weight>,
}

impl Weight for NearWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let inverted = reader.inverted_index(self.query.field)?;
        let mut words = Vec::new();
        for (term, often) in &self.query.words {
            let Some(postings) = inverted.read_postings(term, IndexRecordOption::WithFreqsAndPositions)?
            else {
                return Ok(Box::new(EmptyScorer));
            };
            words.push((postings, *often));
        }
        let norms = match self.bm25 {
            Some(_) => reader.get_fieldnorms_reader(self.query.field)?,
            None => FieldNormReader::constant(reader.max_doc(), 1),
        };
        let mut scorer = NearScorer {
            words,
            window: self.query.window,
            bm25: self.bm25.as_ref().map(|bm25| bm25.boost_by(boost)),
            norms,
            positions: Vec::new(),
            places: Vec::new(),
        };
        scorer.settle();
        Ok(Box::new(scorer))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        let score = if scorer.seek(doc) == doc { scorer.score() } else { 0.0 };
        Ok(Explanation::new("near", score))
    }
}

struct NearScorer {
    words: Vec<(SegmentPostings, usize)>,
    window: u64,
    bm25: Option<Bm25Weight>,
    norms: FieldNormReader,
    /// Room that is used again: positions of one word, and of all of them with the word's number.
    positions: Vec<u32>,
    places: Vec<(u32, usize)>,
}

impl NearScorer {
    /// Goes on from where the first word stands to a document that matches.
    fn settle(&mut self) {
        while self.meet() != TERMINATED && !self.is_near() {
            self.words[0].0.advance();
        }
    }

    /// Goes on until all words stand in one document.
    fn meet(&mut self) -> DocId {
        let mut target = self.words[0].0.doc();
        let mut agreed = 1;
        let mut at = 1 % self.words.len();
        while agreed < self.words.len() {
            let postings = &mut self.words[at].0;
            let doc = if postings.doc() < target { postings.seek(target) } else { postings.doc() };
            if doc == target {
                agreed += 1;
            } else {
                target = doc;
                agreed = 1;
            }
            at = (at + 1) % self.words.len();
            if target == TERMINATED {
                break;
            }
        }
        /* The first word says where this stands, also at the end. */
        if self.words[0].0.doc() < target {
            self.words[0].0.seek(target);
        }
        self.words[0].0.doc()
    }

    /// Slides a window over the places and counts what it lacks.
    fn is_near(&mut self) -> bool {
        self.places.clear();
        for (number, (postings, _)) in self.words.iter_mut().enumerate() {
            postings.positions(&mut self.positions);
            self.places.extend(self.positions.iter().map(|position| (*position, number)));
        }
        self.places.sort_unstable();
        let mut lacking: Vec<i64> = self.words.iter().map(|(_, often)| *often as i64).collect();
        let mut missing: i64 = lacking.iter().sum();
        let mut left = 0;
        for &(position, number) in &self.places {
            if lacking[number] > 0 {
                missing -= 1;
            }
            lacking[number] -= 1;
            while u64::from(position - self.places[left].0) >= self.window {
                let gone = self.places[left].1;
                lacking[gone] += 1;
                if lacking[gone] > 0 {
                    missing += 1;
                }
                left += 1;
            }
            if missing == 0 {
                return true;
            }
        }
        false
    }
}

impl DocSet for NearScorer {
    fn advance(&mut self) -> DocId {
        self.words[0].0.advance();
        self.settle();
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc() < target {
            self.words[0].0.seek(target);
            self.settle();
        }
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.words[0].0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.words.iter().map(|(postings, _)| postings.size_hint()).min().unwrap_or(0)
    }
}

impl Scorer for NearScorer {
    fn score(&mut self) -> Score {
        let norm = self.norms.fieldnorm_id(self.doc());
        self.bm25.as_ref().map_or(0.0, |bm25| bm25.score(norm, 1))
    }
}
