// SPDX-License-Identifier: MIT
//! A word in any of its forms.
//!
//! Most words are their own stem, and stand in the field of words anyway. So the field of stems has a stem only for
//! words that differ from it, and a word's forms are found in two lists: documents that have the stem as a word, if
//! the stem is one of its own forms, and those that have another form. They count and score as one.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{Bm25Weight, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, Term};

#[derive(Clone, Debug)]
pub struct FormsQuery {
    as_word: Term,
    as_stem: Term,
}

impl FormsQuery {
    pub fn new(as_word: Term, as_stem: Term) -> FormsQuery {
        FormsQuery { as_word, as_stem }
    }

    /// How long a document is, is how many words it has.
    fn words(&self) -> Field {
        self.as_word.field()
    }
}

impl Query for FormsQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let bm25 = match scoring {
            EnableScoring::Enabled { statistics_provider: all, .. } => {
                let documents = all.total_num_docs()?;
                let frequency = all.doc_freq(&self.as_word)? + all.doc_freq(&self.as_stem)?;
                let length = all.total_num_tokens(self.words())? as Score / documents as Score;
                let frequency = frequency.min(documents);
                Some(Bm25Weight::for_one_term_without_explain(frequency, documents, length))
            }
            EnableScoring::Disabled { .. } => None,
        };
        Ok(Box::new(FormsWeight { query: self.clone(), bm25 }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        visitor(&self.as_word, false);
        visitor(&self.as_stem, false);
    }
}

struct FormsWeight {
    query: FormsQuery,
    bm25: Option<Bm25Weight>,
}

impl Weight for FormsWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut lists = Vec::with_capacity(2);
        for term in [&self.query.as_word, &self.query.as_stem] {
            let inverted = reader.inverted_index(term.field())?;
            lists.extend(inverted.read_postings(term, IndexRecordOption::WithFreqs)?);
        }
        if lists.is_empty() {
            return Ok(Box::new(EmptyScorer));
        }
        let norms = match self.bm25 {
            Some(_) => reader.get_fieldnorms_reader(self.query.words())?,
            None => FieldNormReader::constant(reader.max_doc(), 1),
        };
        let bm25 = self.bm25.as_ref().map(|bm25| bm25.boost_by(boost));
        let doc = first(&lists);
        Ok(Box::new(FormsScorer { lists, doc, bm25, norms }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        let score = if scorer.seek(doc) == doc { scorer.score() } else { 0.0 };
        Ok(Explanation::new("forms", score))
    }
}

struct FormsScorer {
    lists: Vec<SegmentPostings>,
    doc: DocId,
    bm25: Option<Bm25Weight>,
    norms: FieldNormReader,
}

fn first(lists: &[SegmentPostings]) -> DocId {
    lists.iter().map(SegmentPostings::doc).min().unwrap_or(tantivy::TERMINATED)
}

impl DocSet for FormsScorer {
    fn advance(&mut self) -> DocId {
        for list in &mut self.lists {
            if list.doc() == self.doc {
                list.advance();
            }
        }
        self.doc = first(&self.lists);
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        for list in &mut self.lists {
            if list.doc() < target {
                list.seek(target);
            }
        }
        self.doc = first(&self.lists);
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.lists.iter().map(SegmentPostings::size_hint).sum()
    }
}

impl Scorer for FormsScorer {
    fn score(&mut self) -> Score {
        let Some(bm25) = &self.bm25 else { return 0.0 };
        let here = self.lists.iter().filter(|list| list.doc() == self.doc);
        bm25.score(self.norms.fieldnorm_id(self.doc), here.map(SegmentPostings::term_freq).sum())
    }
}
