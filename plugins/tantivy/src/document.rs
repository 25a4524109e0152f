// SPDX-License-Identifier: MIT
//! A document of the host as one of tantivy, and the record that is stored of it.

use tantivy::schema::Field;
use tantivy::TantivyDocument;

use crate::failure::{fatal, Failure, Outcome};
use crate::ffi::*;
use crate::fields::{exact_term, kind_term, order_of, FieldPlan, Plan};
use crate::host::Host;

const ID_LIMIT: usize = 1000;
const STATE_LIMIT: usize = 64 << 20;
const SORT_KEY_LIMIT: usize = 100;
/// What tantivy calls bytes in a stored document.
const STORED_BYTES: u8 = 4;

/// What is stored of a document: version, kind, length of the id, id, state.
pub struct Record<'a> {
    pub version: i64,
    pub kind: u32,
    pub id: &'a [u8],
    pub state: &'a [u8],
}

impl Record<'_> {
    fn write(document: &WeirDocument) -> Vec<u8> {
        let (id, state) = (document.id(), document.state());
        let mut out = Vec::with_capacity(14 + id.len() + state.len());
        out.extend_from_slice(&document.version.to_le_bytes());
        out.extend_from_slice(&document.kind.to_le_bytes());
        out.extend_from_slice(&(id.len() as u16).to_le_bytes());
        out.extend_from_slice(id);
        out.extend_from_slice(state);
        out
    }

    fn read(bytes: &[u8]) -> Option<Record<'_>> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (id, state) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        Some(Record { version: i64::from_le_bytes(*version), kind: u32::from_le_bytes(*kind), id, state })
    }

    /// Of a document as tantivy stores it.
    pub fn of<'a>(plan: &Plan, stored: &'a [u8]) -> Outcome<Record<'a>> {
        only_value(plan.record, stored).and_then(Record::read).ok_or_else(damaged)
    }
}

/// The bytes of a stored document's one value. tantivy itself would copy them, each by itself. In front of them stand
/// how many values there are, the field, the type, and how many bytes there are.
fn only_value(field: Field, stored: &[u8]) -> Option<&[u8]> {
    let (count, rest) = read_number(stored)?;
    let (number, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first()?;
    let (length, value) = read_number(rest)?;
    let is_it = count == 1 && u32::from_le_bytes(*number) == field.field_id() && *kind == STORED_BYTES;
    (is_it && value.len() as u64 == length).then_some(value)
}

/// Seven bits a byte, the lowest first; the last byte has the eighth bit.
fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 127) << (7 * place);
        if byte & 128 != 0 {
            return Some((number, &bytes[place + 1..]));
        }
    }
    None
}

fn damaged() -> Failure {
    fatal("a document of the index cannot be read; make the index anew: weir rebuild")
}

/// Why the document can never be indexed.
fn refusal(plan: &Plan, document: &WeirDocument) -> Option<&'static str> {
    if document.id_length == 0 {
        return Some("its id is empty");
    }
    if document.id_length > ID_LIMIT {
        return Some("its id is longer than 1,000 bytes");
    }
    if document.state_length > STATE_LIMIT {
        return Some("its state is larger than 64 MiB");
    }
    if document.kind != WEIR_KIND_LIVE && document.kind != WEIR_KIND_HIDDEN {
        return Some("it is neither live nor hidden");
    }
    document.values().find_map(|value| match plan.field(value.field) {
        None => Some("it has a value of a field that is not in the schema"),
        Some(field) if field.kind != value.r#type => Some("it has a value of another type than its field's"),
        Some(_) => None,
    })
}

/// Makes documents; keeps the room that their texts need.
pub struct Maker {
    words: String,
    stems: String,
}

impl Maker {
    pub fn new() -> Maker {
        Maker { words: String::new(), stems: String::new() }
    }

    /// Err in the result: why the host should never send this document again.
    pub fn make(
        &mut self,
        plan: &Plan,
        host: &Host,
        document: &WeirDocument,
    ) -> Outcome<Result<TantivyDocument, &'static str>> {
        if let Some(reason) = refusal(plan, document) {
            return Ok(Err(reason));
        }
        let mut out = TantivyDocument::default();
        out.add_bytes(plan.terms, kind_term(document.kind));
        out.add_bytes(plan.id, document.id());
        out.add_u64(plan.kind, u64::from(document.kind));
        out.add_i64(plan.version, document.version);
        out.add_bytes(plan.record, &Record::write(document));
        if document.kind == WEIR_KIND_HIDDEN {
            out.add_i64(plan.applied, document.applied_at);
            return Ok(Ok(out));
        }
        for value in document.values() {
            let field = &plan.fields[value.field as usize];
            self.add_words(field, host, value, &mut out)?;
            add_value(plan, field, host, value, &mut out);
        }
        Ok(Ok(out))
    }

    fn add_words(
        &mut self,
        field: &FieldPlan,
        host: &Host,
        value: &WeirValue,
        out: &mut TantivyDocument,
    ) -> Outcome<()> {
        let Some(words) = field.words else { return Ok(()) };
        self.words.clear();
        self.stems.clear();
        let stemmed = field.stems.is_some();
        host.split(value.bytes(), field.language.as_deref(), &mut |word, stem| {
            push_word(&mut self.words, word);
            if stemmed && stem != word {
                push_word(&mut self.stems, stem);
            }
        })?;
        if self.words.is_empty() {
            return Ok(());
        }
        out.add_text(words, &self.words);
        if let Some(stems) = field.stems.filter(|_| !self.stems.is_empty()) {
            out.add_text(stems, &self.stems);
        }
        Ok(())
    }
}

fn push_word(words: &mut String, word: &str) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(word);
}

fn add_value(plan: &Plan, field: &FieldPlan, host: &Host, value: &WeirValue, out: &mut TantivyDocument) {
    if field.is_exact {
        out.add_bytes(plan.terms, &exact_term(value.field, field.kind, value));
    }
    if let Some((key, _)) = &field.key {
        /* A space in front, so that an empty text is a value and no value is none. */
        let mut bytes = [b' '; 1 + SORT_KEY_LIMIT];
        let length = host.sort_key(value.bytes(), &mut bytes[1..]);
        out.add_bytes(*key, &bytes[..1 + length]);
    }
    if let Some((column, _)) = &field.value {
        out.add_bytes(*column, value.bytes());
    }
    if let Some((order, _)) = &field.order {
        if field.kind != WEIR_TYPE_NUMBER || !value.number.is_nan() {
            out.add_u64(*order, order_of(field.kind, value));
        }
    }
}
