// SPDX-License-Identifier: MIT
//! Which fields of tantivy a field of the schema becomes.
//!
//! | of a document | tantivy field | holds |
//! |---|---|---|
//! | | `terms` | whether it is live or hidden, and whole values to filter by |
//! | | `id` | its bytes: a column, whose dictionary finds it and whose order decides ties |
//! | | `kind`, `version` | columns, for scan |
//! | | `applied` | a column, of hidden documents only, for expire |
//! | | `record` | stored: all that fetch, get and search hand back |
//! | TEXT, KEYWORD | `words<n>` | words as typed, with positions |
//! | TEXT with a language | `stems<n>` | what those come to that are not their own stem (forms.rs) |
//! | TEXT, KEYWORD to sort | `key<n>` | the host's sort key: a column |
//! | NUMBER, DATE to sort or filter, BOOLEAN to sort or count | `order<n>` | a column of integers in the order of the values |
//! | KEYWORD to count | `value<n>` | the whole value: a column |

use std::ffi::CString;

use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, SchemaBuilder, TextFieldIndexing,
    TextOptions,
};
use tantivy::Term;

use crate::ffi::*;
use crate::view;
use crate::words;

/// The names of columns, which are asked for by name.
pub const ID: &str = "id";
pub const KIND: &str = "kind";
pub const VERSION: &str = "version";
pub const APPLIED: &str = "applied";

pub struct FieldPlan {
    pub kind: u32,
    pub is_searched: bool,
    pub is_sorted: bool,
    pub is_counted: bool,
    pub boost: f32,
    pub language: Option<CString>,
    pub words: Option<Field>,
    pub stems: Option<Field>,
    pub is_exact: bool,
    pub key: Option<(Field, String)>,
    pub order: Option<(Field, String)>,
    pub value: Option<(Field, String)>,
}

pub struct Plan {
    pub collection: String,
    pub fingerprint: String,
    pub schema: Schema,
    pub terms: Field,
    pub id: Field,
    pub kind: Field,
    pub version: Field,
    pub applied: Field,
    pub record: Field,
    pub fields: Vec<FieldPlan>,
}

fn words_options(record: IndexRecordOption) -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer(words::NAME).set_index_option(record);
    TextOptions::default().set_indexing_options(indexing)
}

fn plan_field(builder: &mut SchemaBuilder, number: usize, field: &WeirField) -> FieldPlan {
    let is_text = field.r#type == WEIR_TYPE_TEXT;
    let has_words = is_text || field.r#type == WEIR_TYPE_KEYWORD;
    let is_boolean = field.r#type == WEIR_TYPE_BOOLEAN;
    let is_ranged = matches!(field.r#type, WEIR_TYPE_NUMBER | WEIR_TYPE_DATE);
    let is_sorted = field.flags & WEIR_FIELD_SORT != 0;
    let is_filtered = field.flags & WEIR_FIELD_FILTER != 0;
    let language = view::name(field.language).filter(|_| is_text).map(CString::from);
    let named = |what: &str| format!("{what}{number}");
    let is_counted = field.flags & WEIR_FIELD_FACET != 0;
    let words = has_words.then(|| {
        builder.add_text_field(&named("words"), words_options(IndexRecordOption::WithFreqsAndPositions))
    });
    let stems = language
        .is_some()
        .then(|| builder.add_text_field(&named("stems"), words_options(IndexRecordOption::WithFreqs)));
    let key = (has_words && is_sorted).then(|| {
        let name = named("key");
        (builder.add_bytes_field(&name, BytesOptions::default().set_fast()), name)
    });
    let order = ((is_ranged && (is_sorted || is_filtered)) || (is_boolean && (is_sorted || is_counted)))
        .then(|| {
            let name = named("order");
            (builder.add_u64_field(&name, NumericOptions::default().set_fast()), name)
        });
    let value = (field.r#type == WEIR_TYPE_KEYWORD && is_counted).then(|| {
        let name = named("value");
        (builder.add_bytes_field(&name, BytesOptions::default().set_fast()), name)
    });
    FieldPlan {
        kind: field.r#type,
        is_searched: field.flags & WEIR_FIELD_SEARCH != 0,
        is_sorted,
        is_counted,
        boost: if field.boost.is_finite() && field.boost >= 0.0 { field.boost as f32 } else { 1.0 },
        language,
        words,
        stems,
        is_exact: is_filtered && (field.r#type == WEIR_TYPE_KEYWORD || is_boolean),
        key,
        order,
        value,
    }
}

impl Plan {
    pub fn new(schema: &WeirSchema) -> Plan {
        let mut builder = Schema::builder();
        let terms = builder.add_bytes_field("terms", BytesOptions::default().set_indexed());
        let id = builder.add_bytes_field(ID, BytesOptions::default().set_fast());
        let kind = builder.add_u64_field(KIND, NumericOptions::default().set_fast());
        let version = builder.add_i64_field(VERSION, NumericOptions::default().set_fast());
        let applied = builder.add_i64_field(APPLIED, NumericOptions::default().set_fast());
        let record = builder.add_bytes_field("record", BytesOptions::default().set_stored());
        let fields = view::list(schema.fields, schema.field_count)
            .enumerate()
            .map(|(number, field)| plan_field(&mut builder, number, field))
            .collect();
        Plan {
            collection: view::text(schema.name),
            fingerprint: view::text(schema.fingerprint),
            schema: builder.build(),
            terms,
            id,
            kind,
            version,
            applied,
            record,
            fields,
        }
    }

    pub fn kind_term(&self, kind: u32) -> Term {
        Term::from_field_bytes(self.terms, kind_term(kind))
    }

    pub fn exact_term(&self, field: i32, kind: u32, value: &WeirValue) -> Term {
        Term::from_field_bytes(self.terms, &exact_term(field, kind, value))
    }

    pub fn field(&self, number: i32) -> Option<&FieldPlan> {
        usize::try_from(number).ok().and_then(|number| self.fields.get(number))
    }
}

/// Integers in the order of the values: what columns hold and ranges compare.
pub fn order_of_integer(value: i64) -> u64 {
    tantivy::i64_to_u64(value)
}

/// Minus zero is zero.
pub fn order_of_number(value: f64) -> u64 {
    tantivy::f64_to_u64(if value == 0.0 { 0.0 } else { value })
}

pub fn order_of(kind: u32, value: &WeirValue) -> u64 {
    if kind == WEIR_TYPE_NUMBER {
        order_of_number(value.number)
    } else {
        order_of_integer(value.integer)
    }
}

/// One field has every term that is no word: a dictionary costs the same for one term as for thousands, in each
/// segment, and segments are many. The first byte tells what the term is.
pub fn kind_term(kind: u32) -> &'static [u8] {
    if kind == WEIR_KIND_LIVE {
        b"L"
    } else {
        b"H"
    }
}

/// Bytes of a value that stand in its term; of a longer one the rest is a hash of all of it.
const EXACT_CUT: usize = 256;

/// The term that a whole value becomes.
pub fn exact_term(field: i32, kind: u32, value: &WeirValue) -> Vec<u8> {
    let bytes = match kind {
        WEIR_TYPE_BOOLEAN if value.integer != 0 => b"1",
        WEIR_TYPE_BOOLEAN => b"0",
        _ => value.bytes(),
    };
    let head = [&b"E"[..], &field.to_be_bytes()].concat();
    if bytes.len() <= EXACT_CUT {
        return [&head[..], b"=", bytes].concat();
    }
    [&head[..], b"#", &bytes[..EXACT_CUT], &hash(bytes).to_be_bytes()].concat()
}

/// FNV-1a of 128 bits.
fn hash(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62272e07bb014262b821756295c58d, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000000001000000000000000000013b)
    })
}
