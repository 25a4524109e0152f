// SPDX-License-Identifier: MIT
//! The host's tree of a query as tantivy's. What matches is as the header says; text in which folding leaves
//! no word becomes None, and is left out of what stands around it.

use std::ffi::CStr;
use std::ops::Bound;

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, InvertedIndexRangeQuery, Occur, PhraseQuery,
    Query, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::Term;

use crate::failure::{fatal, Outcome};
use crate::ffi::*;
use crate::fields::{order_of, FieldPlan, Plan};
use crate::forms::FormsQuery;
use crate::host::Host;
use crate::near::NearQuery;
use crate::sets::Leaf;

const DEPTH_LIMIT: usize = 256;

type AnyQuery = Box<dyn Query>;

/// A query of words: a match has one of each group. Its score is the sum of the shares of all that it has.
pub struct InWords {
    /// Of each group the words, of each of these where it may stand.
    pub groups: Vec<Vec<Vec<Leaf>>>,
    /// What else it has to match; None: nothing.
    pub narrowing: Option<AnyQuery>,
}

/// What matches, and how the same can be said in words, where it can.
pub struct Filtered {
    pub query: AnyQuery,
    pub words: Option<InWords>,
}

/// The query, narrowed by a filter that does not score.
pub fn filtered(
    plan: &Plan,
    host: &Host,
    query: &WeirQuery,
    filter: Option<&WeirQuery>,
) -> Outcome<Filtered> {
    let builder = Builder { plan, host };
    let built = builder.node(query, 0)?.unwrap_or_else(nothing);
    let filter = match filter {
        Some(filter) => Some(builder.node(filter, 0)?.unwrap_or_else(nothing)),
        None => None,
    };
    let mut words = builder.in_words(query)?;
    if let (Some(words), Some(filter)) = (&mut words, &filter) {
        words.narrowing = Some(match words.narrowing.take() {
            Some(narrowing) => join(Occur::Must, vec![narrowing, filter.box_clone()]),
            None => filter.box_clone(),
        });
    }
    let query = match filter {
        Some(filter) => both(built, filter),
        None => built,
    };
    Ok(Filtered { query, words })
}

/// Decides, and adds nothing to the score.
fn unscored(query: AnyQuery) -> AnyQuery {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

fn both(query: AnyQuery, filter: AnyQuery) -> AnyQuery {
    Box::new(BooleanQuery::new(vec![(Occur::Must, query), (Occur::Must, unscored(filter))]))
}

fn nothing() -> AnyQuery {
    Box::new(EmptyQuery)
}

fn term_of(term: Term) -> AnyQuery {
    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
}

fn join(occur: Occur, mut queries: Vec<AnyQuery>) -> AnyQuery {
    match queries.len() {
        0 => nothing(),
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::new(queries.into_iter().map(|query| (occur, query)).collect())),
    }
}

fn boosted(query: AnyQuery, boost: f32) -> AnyQuery {
    if boost == 1.0 {
        query
    } else {
        Box::new(BoostQuery::new(query, boost))
    }
}

/// The words of a text, and what their forms come to in one language.
struct Words {
    words: Vec<String>,
    stems: Vec<String>,
}

struct Builder<'a> {
    plan: &'a Plan,
    host: &'a Host,
}

impl Builder<'_> {
    fn split(&self, text: &[u8], language: Option<&CStr>) -> Outcome<Words> {
        let mut split = Words { words: Vec::new(), stems: Vec::new() };
        self.host.split(text, language, &mut |word, stem| {
            split.words.push(word.into());
            split.stems.push(stem.into());
        })?;
        Ok(split)
    }

    /// Where the forms of a word stand: as a word, and as the stem of others.
    fn forms(
        &self,
        field: &FieldPlan,
        words: Field,
        word: &str,
        stem: &str,
    ) -> Outcome<(Option<Term>, Option<Term>)> {
        let Some(stems) = field.stems else { return Ok((Some(Term::from_field_text(words, word)), None)) };
        let is_own_form = word == stem || {
            let split = self.split(stem.as_bytes(), field.language.as_deref())?;
            split.words == [stem] && split.stems == [stem]
        };
        let as_word = is_own_form.then(|| Term::from_field_text(words, stem));
        Ok((as_word, Some(Term::from_field_text(stems, stem))))
    }

    fn live(&self) -> AnyQuery {
        let term = self.plan.kind_term(WEIR_KIND_LIVE);
        unscored(Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
    }

    /// The field that the query names, or those that are searched; only such with words.
    fn fields(&self, query: &WeirQuery) -> impl Iterator<Item = &FieldPlan> {
        let wanted = query.field;
        self.plan.fields.iter().enumerate().filter_map(move |(number, field)| {
            let named =
                if wanted == WEIR_FIELD_DEFAULT { field.is_searched } else { wanted == number as i32 };
            (named && field.words.is_some()).then_some(field)
        })
    }

    /// Every word of a TERM, each in any of the fields; of a PREFIX the last is a beginning.
    fn words(&self, query: &WeirQuery) -> Outcome<Option<AnyQuery>> {
        let count = self.split(query.text(), None)?.words.len();
        if count == 0 {
            return Ok(None);
        }
        let mut in_fields: Vec<Vec<AnyQuery>> = (0..count).map(|_| Vec::new()).collect();
        for field in self.fields(query) {
            let split = self.split(query.text(), field.language.as_deref())?;
            for (index, (word, stem)) in split.words.iter().zip(&split.stems).enumerate() {
                let is_beginning = query.kind == WEIR_QUERY_PREFIX && index + 1 == count;
                let Some(words) = field.words else { continue };
                let made = if is_beginning {
                    beginning(words, word)
                } else {
                    match self.forms(field, words, word, stem)? {
                        (None, Some(as_stem)) => term_of(as_stem),
                        (Some(as_word), None) => term_of(as_word),
                        (Some(as_word), Some(as_stem)) => Box::new(FormsQuery::new(as_word, as_stem)),
                        (None, None) => continue,
                    }
                };
                in_fields[index].push(boosted(made, field.boost));
            }
        }
        let each = in_fields.into_iter().map(|queries| join(Occur::Should, queries)).collect();
        Ok(Some(join(Occur::Must, each)))
    }

    /// Where each word of a TERM may stand: nowhere, if no field has words.
    fn words_of_term(&self, query: &WeirQuery, boost: f32) -> Outcome<Vec<Vec<Leaf>>> {
        let count = self.split(query.text(), None)?.words.len();
        let mut all: Vec<Vec<Leaf>> = (0..count).map(|_| Vec::new()).collect();
        for field in self.fields(query) {
            let Some(words) = field.words else { continue };
            let split = self.split(query.text(), field.language.as_deref())?;
            for (leaves, (word, stem)) in all.iter_mut().zip(split.words.iter().zip(&split.stems)) {
                let (as_word, as_stem) = self.forms(field, words, word, stem)?;
                let terms = as_word.into_iter().chain(as_stem);
                leaves.extend(terms.map(|term| Leaf { term, words, boost: boost * field.boost }));
            }
        }
        Ok(all)
    }

    /// One group of a word, or of several with OR between; None: it is something else.
    fn group(&self, query: &WeirQuery, boost: f32, depth: usize) -> Outcome<Option<Vec<Vec<Leaf>>>> {
        match query.kind {
            WEIR_QUERY_TERM => {
                let words = self.words_of_term(query, boost)?;
                Ok((words.len() == 1).then_some(words))
            }
            WEIR_QUERY_BOOST if depth < DEPTH_LIMIT => {
                self.group(only_child(query)?, boost * boost_of(query), depth + 1)
            }
            WEIR_QUERY_OR => {
                let mut all = Vec::new();
                for child in query.children() {
                    match self.group(child, boost, depth + 1)? {
                        Some(of) if child.kind != WEIR_QUERY_OR => all.extend(of),
                        _ => return Ok(None),
                    }
                }
                Ok(Some(all))
            }
            _ => Ok(None),
        }
    }

    /// The query as groups of words and what does not score; None: there is more to it.
    fn in_words(&self, query: &WeirQuery) -> Outcome<Option<InWords>> {
        let parts: Vec<&WeirQuery> = match query.kind {
            WEIR_QUERY_AND => query.children().collect(),
            _ => vec![query],
        };
        let (mut groups, mut wanted, mut unwanted) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match part.kind {
                WEIR_QUERY_TERM => {
                    groups.extend(self.words_of_term(part, 1.0)?.into_iter().map(|word| vec![word]))
                }
                WEIR_QUERY_EXACT | WEIR_QUERY_RANGE => wanted.extend(self.node(part, 1)?),
                WEIR_QUERY_NOT => unwanted.extend(self.node(only_child(part)?, 1)?),
                WEIR_QUERY_ALL => {}
                _ => match self.group(part, 1.0, 0)? {
                    Some(group) => groups.push(group),
                    None => return Ok(None),
                },
            }
        }
        /* Without fields, or without words, it is not for here to say what that means. */
        if groups.is_empty() || groups.iter().any(|group| group.is_empty() || group.iter().any(Vec::is_empty))
        {
            return Ok(None);
        }
        if wanted.is_empty() && !unwanted.is_empty() {
            wanted.push(self.live());
        }
        let narrowing = (!wanted.is_empty()).then(|| but(wanted, unwanted));
        Ok(Some(InWords { groups, narrowing }))
    }

    fn phrase(&self, query: &WeirQuery) -> Outcome<Option<AnyQuery>> {
        let words = self.split(query.text(), None)?.words;
        if words.is_empty() {
            return Ok(None);
        }
        let in_fields = self.fields(query).filter_map(|field| {
            let made = phrase_in(field.words?, &words, query.distance);
            Some(boosted(made, field.boost))
        });
        Ok(Some(join(Occur::Should, in_fields.collect())))
    }

    fn exact(&self, query: &WeirQuery) -> AnyQuery {
        match self.plan.field(query.field) {
            Some(field) if field.is_exact => {
                let term = self.plan.exact_term(query.field, field.kind, &query.lower);
                unscored(Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
            }
            _ => nothing(),
        }
    }

    fn range(&self, query: &WeirQuery) -> AnyQuery {
        let Some(field) = self.plan.field(query.field) else { return nothing() };
        let Some((order, _)) = &field.order else { return nothing() };
        if field.kind == WEIR_TYPE_BOOLEAN {
            return nothing();
        }
        match bounds(field.kind, query) {
            Some((lower, upper)) => unscored(Box::new(RangeQuery::new(
                Bound::Included(Term::from_field_u64(*order, lower)),
                Bound::Included(Term::from_field_u64(*order, upper)),
            ))),
            None => nothing(),
        }
    }

    /// The children that have words; whether any is a NOT.
    fn and(&self, query: &WeirQuery, depth: usize) -> Outcome<Option<AnyQuery>> {
        let (mut wanted, mut unwanted, mut has_not) = (Vec::new(), Vec::new(), false);
        for child in query.children() {
            if child.kind == WEIR_QUERY_NOT {
                has_not = true;
                unwanted.extend(self.node(only_child(child)?, depth + 1)?);
            } else {
                wanted.extend(self.node(child, depth + 1)?);
            }
        }
        if wanted.is_empty() {
            if query.child_count > 0 && !has_not {
                return Ok(None);
            }
            wanted.push(self.live());
        }
        Ok(Some(but(wanted, unwanted)))
    }

    fn or(&self, query: &WeirQuery, depth: usize) -> Outcome<Option<AnyQuery>> {
        let mut made = Vec::new();
        for child in query.children() {
            made.extend(self.node(child, depth + 1)?);
        }
        if made.is_empty() && query.child_count > 0 {
            return Ok(None);
        }
        Ok(Some(join(Occur::Should, made)))
    }

    fn node(&self, query: &WeirQuery, depth: usize) -> Outcome<Option<AnyQuery>> {
        if depth > DEPTH_LIMIT {
            return Err(fatal("the query is nested too deeply; use fewer parentheses"));
        }
        match query.kind {
            WEIR_QUERY_ALL => Ok(Some(self.live())),
            WEIR_QUERY_NONE => Ok(Some(nothing())),
            WEIR_QUERY_TERM | WEIR_QUERY_PREFIX => self.words(query),
            WEIR_QUERY_PHRASE => self.phrase(query),
            WEIR_QUERY_EXACT => Ok(Some(self.exact(query))),
            WEIR_QUERY_RANGE => Ok(Some(self.range(query))),
            WEIR_QUERY_AND => self.and(query, depth),
            WEIR_QUERY_OR => self.or(query, depth),
            WEIR_QUERY_NOT => {
                let unwanted = self.node(only_child(query)?, depth + 1)?;
                Ok(Some(but(vec![self.live()], unwanted.into_iter().collect())))
            }
            WEIR_QUERY_BOOST => {
                let child = self.node(only_child(query)?, depth + 1)?;
                Ok(child.map(|child| boosted(child, boost_of(query))))
            }
            _ => Err(fatal("the query has a part that this backend cannot do")),
        }
    }
}

fn boost_of(query: &WeirQuery) -> f32 {
    if query.boost.is_finite() {
        query.boost.max(0.0) as f32
    } else {
        1.0
    }
}

fn only_child(query: &WeirQuery) -> Outcome<&WeirQuery> {
    let mut children = query.children();
    match (children.next(), query.child_count) {
        (Some(child), 1) => Ok(child),
        _ => Err(fatal("the query has a NOT or BOOST without its one child")),
    }
}

/// All of the wanted ones, of which there is at least one, and none of the others.
fn but(wanted: Vec<AnyQuery>, unwanted: Vec<AnyQuery>) -> AnyQuery {
    if unwanted.is_empty() {
        return join(Occur::Must, wanted);
    }
    let wanted = wanted.into_iter().map(|query| (Occur::Must, query));
    let unwanted = unwanted.into_iter().map(|query| (Occur::MustNot, query));
    Box::new(BooleanQuery::new(wanted.chain(unwanted).collect()))
}

fn beginning(words: Field, word: &str) -> AnyQuery {
    /* Of a word that is cut, only so much is sure to stand in the index. */
    let start = &word.as_bytes()[..word.len().min(WEIR_WORD_CUT)];
    let mut end = start.to_vec();
    /* No byte of UTF-8 is 255, so the next beginning is this one with its last byte one up. */
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Box::new(InvertedIndexRangeQuery::new(
        Bound::Included(Term::from_field_bytes(words, start)),
        Bound::Excluded(Term::from_field_bytes(words, &end)),
    ))
}

fn phrase_in(field: Field, words: &[String], distance: u32) -> AnyQuery {
    let terms = || words.iter().map(|word| Term::from_field_text(field, word));
    match (words.len(), distance) {
        (1, _) => join(Occur::Must, terms().map(term_of).collect()),
        (_, 0) => Box::new(PhraseQuery::new(terms().collect())),
        _ => Box::new(NearQuery::new(field, words, distance)),
    }
}

/// Both ends as the column has them, included; None: nothing can match. The orders of two neighbouring values
/// are neighbours: an open end is the next one.
fn bounds(kind: u32, query: &WeirQuery) -> Option<(u64, u64)> {
    let has = |flag| query.range_flags & flag != 0;
    let is_nan = |value: &WeirValue| kind == WEIR_TYPE_NUMBER && value.number.is_nan();
    let (mut lower, mut upper) = (0, u64::MAX);
    if has(WEIR_RANGE_HAS_LOWER) {
        if is_nan(&query.lower) {
            return None;
        }
        lower = order_of(kind, &query.lower);
        if has(WEIR_RANGE_LOWER_OPEN) {
            lower = lower.checked_add(1)?;
        }
    }
    if has(WEIR_RANGE_HAS_UPPER) {
        if is_nan(&query.upper) {
            return None;
        }
        upper = order_of(kind, &query.upper);
        if has(WEIR_RANGE_UPPER_OPEN) {
            upper = upper.checked_sub(1)?;
        }
    }
    (lower <= upper).then_some((lower, upper))
}
