// SPDX-License-Identifier: MIT
//! Counts the values that matches have.
//!
//! A segment's column has a number for each distinct value, and the number means nothing in another segment. Each
//! value gets a number of the whole index when its segment is first counted; then counting is one look at the column
//! and one addition for a match, in any number of segments, and no value is read but those that are handed out.
//!
//! Concurrency: sessions of several threads share the numbers, under locks that are held only to look them up.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tantivy::columnar::Column;
use tantivy::index::{SegmentId, SegmentReader};
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{DocId, COLLECT_BLOCK_BUFFER_LEN};

use crate::failure::{fatal, Outcome};
use crate::ffi::*;
use crate::fields::{order_of_integer, FieldPlan, Plan};
use crate::files::locked;
use crate::host::Host;
use crate::query;
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

#[derive(Default, Clone)]
struct Numbered {
    values: Arc<Mutex<Values>>,
    /// Of each segment that was counted: its own numbers to ours.
    segments: HashMap<SegmentId, Arc<Vec<u32>>>,
}

/// By name of a column.
#[derive(Default)]
pub struct Numbers(Mutex<HashMap<String, Numbered>>);

impl Numbers {
    fn of(&self, readers: &[SegmentReader], name: &str) -> Outcome<Numbered> {
        let mut fields = locked(&self.0);
        let field = fields.entry(name.into()).or_default();
        let known = std::mem::take(&mut field.segments);
        let mut used = 0;
        for reader in readers {
            let id = reader.segment_id();
            let numbers = match known.get(&id) {
                Some(numbers) => numbers.clone(),
                None => Arc::new(number(&mut locked(&field.values), reader, name)?),
            };
            used += numbers.len();
            field.segments.insert(id, numbers);
        }
        let numbered = field.clone();
        /* What is asked for now keeps its values; the next one begins anew. */
        if locked(&numbered.values).values.len() > FORGOTTEN_LIMIT + 2 * used {
            fields.remove(name);
        }
        Ok(numbered)
    }
}

fn number(values: &mut Values, reader: &SegmentReader, name: &str) -> Outcome<Vec<u32>> {
    let Some(column) = reader.fast_fields().bytes(name)? else { return Ok(Vec::new()) };
    let mut numbers = Vec::with_capacity(column.num_terms());
    let mut stream = column.dictionary().stream()?;
    while stream.advance() {
        numbers.push(values.number(stream.key()));
    }
    Ok(numbers)
}

/// Is handed documents that match.
type Counter<'a> = Box<dyn FnMut(&[DocId]) + 'a>;

/// How often each value of one field was met.
enum Counts {
    Values(Numbered, Vec<u64>),
    Boolean([u64; 2], String),
}

impl Counts {
    fn new(field: &FieldPlan, snapshot: &Snapshot, numbers: &Numbers) -> Outcome<Option<Counts>> {
        if !field.is_counted {
            return Ok(None);
        }
        if let Some((_, name)) = &field.value {
            let numbered = numbers.of(snapshot.searcher.segment_readers(), name)?;
            let count = locked(&numbered.values).values.len();
            return Ok(Some(Counts::Values(numbered, vec![0; count])));
        }
        let boolean = field.order.as_ref().filter(|_| field.kind == WEIR_TYPE_BOOLEAN);
        Ok(boolean.map(|(_, name)| Counts::Boolean([0; 2], name.clone())))
    }

    /// Adds up what is found at the documents of a segment.
    fn counter<'a>(&'a mut self, reader: &SegmentReader, name: &str) -> Outcome<Option<Counter<'a>>> {
        match self {
            Counts::Values(numbered, counts) => {
                let Some(column) = reader.fast_fields().bytes(name)? else { return Ok(None) };
                let Some(numbers) = numbered.segments.get(&reader.segment_id()) else { return Ok(None) };
                let column = column.ords().clone();
                Ok(Some(Box::new(move |docs| {
                    each_value(&column, docs, |order| {
                        if let Some(number) = numbers.get(order as usize) {
                            counts[*number as usize] += 1;
                        }
                    });
                })))
            }
            Counts::Boolean(counts, _) => {
                let Some(column) = reader.fast_fields().column_opt::<u64>(name)? else { return Ok(None) };
                let yes = order_of_integer(1);
                Ok(Some(Box::new(move |docs| {
                    each_value(&column, docs, |order| counts[usize::from(order == yes)] += 1);
                })))
            }
        }
    }

    /// The most frequent ones in order.
    fn best(&self, limit: usize) -> Vec<(Arc<[u8]>, u64)> {
        let mut found: Vec<(Arc<[u8]>, u64)> = match self {
            Counts::Boolean(counts, _) => {
                let values = [Arc::from(&b"false"[..]), Arc::from(&b"true"[..])];
                values.into_iter().zip(*counts).filter(|(_, count)| *count > 0).collect()
            }
            Counts::Values(numbered, counts) => {
                let values = locked(&numbered.values);
                let met = counts.iter().zip(&values.values).filter(|(count, _)| **count > 0);
                met.map(|(count, value)| (value.clone(), *count)).collect()
            }
        };
        let order = |(a, many): &(Arc<[u8]>, u64), (b, others): &(Arc<[u8]>, u64)| -> Ordering {
            others.cmp(many).then_with(|| a.cmp(b))
        };
        if limit > 0 && limit < found.len() {
            found.select_nth_unstable_by(limit - 1, order);
        }
        found.truncate(limit);
        found.sort_unstable_by(order);
        found
    }

    fn name(&self, field: &FieldPlan) -> String {
        match (self, &field.value) {
            (Counts::Boolean(_, name), _) | (_, Some((_, name))) => name.clone(),
            _ => String::new(),
        }
    }
}

/// A field has one value of a document at most.
fn each_value(column: &Column<u64>, docs: &[DocId], mut on_value: impl FnMut(u64)) {
    let mut values = [None; COLLECT_BLOCK_BUFFER_LEN];
    for docs in docs.chunks(COLLECT_BLOCK_BUFFER_LEN) {
        let values = &mut values[..docs.len()];
        values.fill(None);
        column.first_vals(docs, values);
        values.iter().flatten().for_each(|value| on_value(*value));
    }
}

fn count_segment(weight: &dyn Weight, reader: &SegmentReader, counters: &mut [Counter]) -> Outcome<()> {
    let mut living = Vec::with_capacity(COLLECT_BLOCK_BUFFER_LEN);
    weight.for_each_no_score(reader, &mut |docs| {
        let docs = if reader.has_deletes() {
            living.clear();
            living.extend(docs.iter().copied().filter(|doc| !reader.is_deleted(*doc)));
            &living[..]
        } else {
            docs
        };
        counters.iter_mut().for_each(|count| count(docs));
    })?;
    Ok(())
}

/// Hands out the values of each field until on_facet wants no more.
pub fn facets(
    snapshot: &Snapshot,
    plan: &Plan,
    host: &Host,
    numbers: &Numbers,
    wanted: &WeirFacets,
    mut on_facet: impl FnMut(usize, &[u8], u64) -> bool,
) -> Outcome<()> {
    let mut all = Vec::new();
    for number in crate::view::fields(wanted) {
        let field = plan.field(*number);
        let counts = field.map(|field| Counts::new(field, snapshot, numbers)).transpose()?.flatten();
        match (field, counts) {
            (Some(field), Some(counts)) => all.push((counts.name(field), counts)),
            _ => return Err(fatal(format!("field number {number} cannot have facets"))),
        }
    }
    // SAFETY: the header says that there is always a query, and perhaps a filter.
    let (query, filter) = unsafe { (&*wanted.query, wanted.filter.as_ref()) };
    let built = query::filtered(plan, host, query, filter)?;
    let weight = built.query.weight(EnableScoring::disabled_from_searcher(&snapshot.searcher))?;
    for reader in snapshot.searcher.segment_readers() {
        host.check()?;
        let mut counters = Vec::new();
        for (name, counts) in &mut all {
            counters.extend(counts.counter(reader, name)?);
        }
        count_segment(&*weight, reader, &mut counters)?;
    }
    for (index, (_, counts)) in all.iter().enumerate() {
        for (value, count) in counts.best(wanted.limit) {
            if !on_facet(index, &value, count) {
                return Ok(());
            }
        }
    }
    Ok(())
}
