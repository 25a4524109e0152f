// SPDX-License-Identifier: MIT
//! Counts the values that matches have.
//!
//! A segment's column has a number for each distinct value, and the number means nothing in another segment. Each
//! value gets a number of the whole index when its segment is first counted. Then the column is read, too: its
//! numbers are kept by document, and how often each is there in all. So counting is one look and one addition for a
//! match, nothing where everything matches, and no value is read but those that are handed out.
//!
//! Concurrency: sessions of several threads share what is kept, under locks that are held only to look it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tantivy::columnar::Column;
use tantivy::index::{SegmentId, SegmentReader};
use tantivy::query::EnableScoring;
use tantivy::{DocId, COLLECT_BLOCK_BUFFER_LEN};

use crate::failure::{fatal, Outcome};
use crate::ffi::*;
use crate::fields::{order_of_integer, FieldPlan, Plan};
use crate::files::locked;
use crate::host::Host;
use crate::query::{self, Filtered};
use crate::sets::{self, Kept, Word};
use crate::snapshot::Snapshot;

/// Values of segments that are gone are forgotten once they are more than this many, and more than the others.
const FORGOTTEN_LIMIT: usize = 10_000;

/// Values of a field that some segment has or had, by their numbers.
#[derive(Default)]
struct Values {
    numbers: HashMap<Arc<[u8]>, u32>,
    values: Vec<Arc<[u8]>>,
}

impl Values {
    fn number(&mut self, value: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let (number, value): (u32, Arc<[u8]>) = (self.values.len() as u32, value.into());
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// So many documents are counted in one go.
const TOGETHER: usize = 1024;

/// By document, which of the segment's values it has; as many as there are: none.
enum ByDocument {
    Short(Vec<u8>),
    Middle(Vec<u16>),
    Long(Vec<u32>),
}

/// A field's values in one segment.
struct Held {
    by_document: ByDocument,
    /// The segment's own numbers to ours.
    numbers: Vec<u32>,
    /// How many documents have each, dead ones too.
    totals: Vec<u32>,
}

impl Held {
    /// A field has one value of a document at most. order_of: which of the numbers a value of the column is.
    fn made(
        numbers: Vec<u32>,
        column: Option<&Column<u64>>,
        documents: DocId,
        order_of: impl Fn(u64) -> usize,
    ) -> Held {
        let none = numbers.len();
        let mut totals = vec![0; none + 1];
        let mut orders = vec![none as u32; documents as usize];
        let docs: Vec<DocId> = (0..documents).collect();
        let mut values = [None; COLLECT_BLOCK_BUFFER_LEN];
        for (docs, orders) in
            docs.chunks(COLLECT_BLOCK_BUFFER_LEN).zip(orders.chunks_mut(COLLECT_BLOCK_BUFFER_LEN))
        {
            let values = &mut values[..docs.len()];
            values.fill(None);
            column.inspect(|column| column.first_vals(docs, values));
            for (order, value) in orders.iter_mut().zip(values) {
                let found = value.map_or(none, |value| order_of(value).min(none));
                totals[found] += 1;
                *order = found as u32;
            }
        }
        let by_document = if u8::try_from(none).is_ok() {
            ByDocument::Short(orders.into_iter().map(|order| order as u8).collect())
        } else if u16::try_from(none).is_ok() {
            ByDocument::Middle(orders.into_iter().map(|order| order as u16).collect())
        } else {
            ByDocument::Long(orders)
        };
        Held { by_document, numbers, totals }
    }

    fn open(values: &mut Values, reader: &SegmentReader, counted: &Counted) -> Outcome<Held> {
        let fast = reader.fast_fields();
        if counted.is_boolean {
            let numbers = vec![values.number(b"false"), values.number(b"true")];
            let (column, yes) = (fast.column_opt::<u64>(&counted.name)?, order_of_integer(1));
            let order_of = |order| usize::from(order == yes);
            return Ok(Held::made(numbers, column.as_ref(), reader.max_doc(), order_of));
        }
        let Some(column) = fast.bytes(&counted.name)? else {
            return Ok(Held::made(Vec::new(), None, reader.max_doc(), |_| 0));
        };
        let mut numbers = Vec::with_capacity(column.num_terms());
        let mut stream = column.dictionary().stream()?;
        while stream.advance() {
            numbers.push(values.number(stream.key()));
        }
        Ok(Held::made(numbers, Some(column.ords()), reader.max_doc(), |order| order as usize))
    }

    /// Adds up which values the documents have.
    fn count(&self, docs: &[DocId], counts: &mut [u32]) {
        match &self.by_document {
            ByDocument::Short(orders) => add_up(docs, orders, counts),
            ByDocument::Middle(orders) => add_up(docs, orders, counts),
            ByDocument::Long(orders) => add_up(docs, orders, counts),
        }
    }
}

fn add_up<T: Copy + Into<u32>>(docs: &[DocId], orders: &[T], counts: &mut [u32]) {
    for doc in docs {
        let order: u32 = orders[*doc as usize].into();
        counts[order as usize] += 1;
    }
}

#[derive(Default, Clone)]
struct Numbered {
    values: Arc<Mutex<Values>>,
    segments: HashMap<SegmentId, Arc<Held>>,
}

/// By name of a column.
#[derive(Default)]
pub struct Numbers(Mutex<HashMap<String, Numbered>>);

impl Numbers {
    fn of(&self, readers: &[SegmentReader], counted: &Counted) -> Outcome<Numbered> {
        let mut fields = locked(&self.0);
        let field = fields.entry(counted.name.clone()).or_default();
        let known = std::mem::take(&mut field.segments);
        let mut used = 0;
        for reader in readers {
            let id = reader.segment_id();
            let held = match known.get(&id) {
                Some(held) => held.clone(),
                None => Arc::new(Held::open(&mut locked(&field.values), reader, counted)?),
            };
            used += held.numbers.len();
            field.segments.insert(id, held);
        }
        let numbered = field.clone();
        /* What is asked for now keeps its values; the next one begins anew. */
        if locked(&numbered.values).values.len() > FORGOTTEN_LIMIT + 2 * used {
            fields.remove(&counted.name);
        }
        Ok(numbered)
    }
}

/// A field whose values can be counted.
struct Counted {
    name: String,
    is_boolean: bool,
}

fn counted(field: &FieldPlan) -> Option<Counted> {
    let is_boolean = field.kind == WEIR_TYPE_BOOLEAN;
    let column = if is_boolean { &field.order } else { &field.value };
    column.as_ref().filter(|_| field.is_counted).map(|(_, name)| Counted { name: name.clone(), is_boolean })
}

/// How often each value of one field was met.
struct Counts {
    numbered: Numbered,
    counts: Vec<u64>,
    /// Of the segment that is being counted, by its own numbers.
    here: Vec<u32>,
}

impl Counts {
    fn new(numbered: Numbered) -> Counts {
        let count = locked(&numbered.values).values.len();
        Counts { numbered, counts: vec![0; count], here: Vec::new() }
    }

    fn held(&self, reader: &SegmentReader) -> Outcome<Arc<Held>> {
        let held = self.numbered.segments.get(&reader.segment_id()).cloned();
        held.ok_or_else(|| fatal("a segment was not counted: this is a bug"))
    }

    /// The most frequent ones in order.
    fn best(&self, limit: usize) -> Vec<(Arc<[u8]>, u64)> {
        let values = &locked(&self.numbered.values).values;
        let met = self.counts.iter().zip(values).filter(|(count, _)| **count > 0);
        let mut found: Vec<(u64, &Arc<[u8]>)> = met.map(|(count, value)| (*count, value)).collect();
        let order = |left: &(u64, &Arc<[u8]>), right: &(u64, &Arc<[u8]>)| {
            right.0.cmp(&left.0).then(left.1.cmp(right.1))
        };
        if limit > 0 && limit < found.len() {
            found.select_nth_unstable_by(limit - 1, order);
        }
        found.truncate(limit);
        found.sort_unstable_by(order);
        found.into_iter().map(|(count, value)| (value.clone(), count)).collect()
    }
}

/// Counts the matches of one segment, of all fields.
struct Segment<'a> {
    all: &'a mut [Counts],
    held: Vec<Arc<Held>>,
    docs: Vec<DocId>,
}

impl<'a> Segment<'a> {
    fn begin(all: &'a mut [Counts], reader: &SegmentReader) -> Outcome<Segment<'a>> {
        let mut held_of_all = Vec::new();
        for counts in all.iter_mut() {
            let held = counts.held(reader)?;
            counts.here.clear();
            counts.here.resize(held.totals.len(), 0);
            held_of_all.push(held);
        }
        let docs = Vec::with_capacity(TOGETHER);
        Ok(Segment { all, held: held_of_all, docs })
    }

    fn add(&mut self, doc: DocId) {
        self.docs.push(doc);
        if self.docs.len() == TOGETHER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        for (counts, held) in self.all.iter_mut().zip(&self.held) {
            held.count(&self.docs, &mut counts.here);
        }
        self.docs.clear();
    }

    /// Everything but what was added.
    fn invert(&mut self) {
        self.flush();
        for (counts, held) in self.all.iter_mut().zip(&self.held) {
            for (count, total) in counts.here.iter_mut().zip(&held.totals) {
                *count = total - *count;
            }
        }
    }

    fn end(mut self) {
        self.flush();
        for (counts, held) in self.all.iter_mut().zip(&self.held) {
            for (count, number) in counts.here.iter().zip(&held.numbers) {
                counts.counts[*number as usize] += u64::from(*count);
            }
        }
    }
}

/// What is counted.
enum Matching<'a> {
    All,
    Words(&'a Filtered, Vec<Vec<Word>>),
    Other(&'a Filtered),
}

impl Matching<'_> {
    fn count(&self, snapshot: &Snapshot, host: &Host, all: &mut [Counts]) -> Outcome<()> {
        let without_scores = EnableScoring::disabled_from_searcher(&snapshot.searcher);
        let query = match self {
            Matching::All => None,
            Matching::Words(built, _) => built.words.as_ref().and_then(|words| words.narrowing.as_ref()),
            Matching::Other(built) => Some(&built.query),
        };
        let weight = query.map(|query| query.weight(without_scores)).transpose()?;
        for (number, reader) in snapshot.searcher.segment_readers().iter().enumerate() {
            host.check()?;
            let mut segment = Segment::begin(all, reader)?;
            match (self, &weight) {
                (Matching::Words(_, groups), weight) => {
                    let narrowing = weight.as_ref().map(|weight| weight.scorer(reader, 1.0)).transpose()?;
                    sets::matches(groups, number, reader, narrowing).for_each(|doc| segment.add(doc));
                }
                (_, Some(weight)) => weight.for_each_no_score(reader, &mut |docs| {
                    docs.iter().filter(|doc| !reader.is_deleted(**doc)).for_each(|doc| segment.add(*doc));
                })?,
                (_, None) => {
                    let dead = (0..reader.max_doc()).filter(|doc| reader.is_deleted(*doc));
                    if reader.has_deletes() {
                        dead.for_each(|doc| segment.add(doc));
                    }
                    segment.invert();
                }
            }
            segment.end();
        }
        Ok(())
    }
}

/// Hands out the values of each field until on_facet wants no more.
pub fn facets(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    (numbers, kept): (&Numbers, &Kept),
    wanted: &WeirFacets,
    mut on_facet: impl FnMut(usize, &[u8], u64) -> bool,
) -> Outcome<()> {
    let readers = snapshot.searcher.segment_readers();
    let mut all = Vec::new();
    for number in crate::view::fields(wanted) {
        let Some(counted) = plan.field(*number).and_then(counted) else {
            return Err(fatal(format!("field number {number} cannot have facets")));
        };
        all.push(Counts::new(numbers.of(readers, &counted)?));
    }
    // SAFETY: the header says that there is always a query, and perhaps a filter.
    let (query, filter) = unsafe { (&*wanted.query, wanted.filter.as_ref()) };
    let built = query::filtered(plan, host, query, filter)?;
    let matching = match &built.words {
        _ if query.kind == WEIR_QUERY_ALL && filter.is_none() => Matching::All,
        Some(words) => Matching::Words(&built, kept.groups(host, readers, words.groups.clone())?),
        None => Matching::Other(&built),
    };
    matching.count(snapshot, host, &mut all)?;
    for (index, counts) in all.iter().enumerate() {
        for (value, count) in counts.best(wanted.limit) {
            if !on_facet(index, &value, count) {
                return Ok(());
            }
        }
    }
    Ok(())
}
