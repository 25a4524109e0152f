// SPDX-License-Identifier: MIT
//! What a commit carries beside its documents: which index this is, and the positions of the log. tantivy
//! writes it into meta.json, the one file whose renaming is the commit: documents and positions are there
//! together or not at all.

use serde_json::{json, Value};

use crate::failure::{fatal, Failure, Outcome};
use crate::ffi::WeirPosition;
use crate::view;

/// Of the layout of fields.rs and document.rs.
const FORMAT: u64 = 3;

#[derive(Clone, PartialEq)]
pub struct Position {
    pub cluster: String,
    pub topic: String,
    pub topic_id: String,
    pub partition: i32,
    pub next_offset: i64,
}

impl Position {
    pub fn copy(position: &WeirPosition) -> Position {
        Position {
            cluster: view::text(position.cluster),
            topic: view::text(position.topic),
            topic_id: view::text(position.topic_id),
            partition: position.partition,
            next_offset: position.next_offset,
        }
    }

    fn is_of_the_place_of(&self, other: &Position) -> bool {
        self.partition == other.partition && self.topic == other.topic && self.cluster == other.cluster
    }
}

#[derive(Clone, PartialEq)]
pub struct Payload {
    pub fingerprint: String,
    /// Tells an index from another that was made at the same place.
    pub birth: i64,
    /// Counts the commits that changed what can be seen.
    pub commits: u64,
    pub positions: Vec<Position>,
}

impl Payload {
    /// Of an index made at this time.
    pub fn new(fingerprint: &str, birth: i64) -> Payload {
        Payload { fingerprint: fingerprint.into(), birth, commits: 0, positions: Vec::new() }
    }

    /// What refresh answers: the upper half is of the index, the lower of the commit.
    pub fn generation(&self) -> u64 {
        (self.birth as u64) << 32 | (self.commits & u64::from(u32::MAX))
    }

    /// Each replaces the one of its cluster, topic and partition.
    pub fn set_positions(&mut self, positions: impl Iterator<Item = Position>) {
        for position in positions {
            match self.positions.iter_mut().find(|old| old.is_of_the_place_of(&position)) {
                Some(old) => *old = position,
                None => self.positions.push(position),
            }
        }
    }

    pub fn write(&self) -> String {
        let positions: Vec<Value> = self
            .positions
            .iter()
            .map(|at| json!([at.cluster, at.topic, at.topic_id, at.partition, at.next_offset]))
            .collect();
        json!({
            "weir": FORMAT,
            "fingerprint": self.fingerprint,
            "birth": self.birth,
            "commits": self.commits,
            "positions": positions,
        })
        .to_string()
    }

    pub fn read(text: &str) -> Outcome<Payload> {
        let value: Value = serde_json::from_str(text).map_err(|_| foreign("is not one of Weir's"))?;
        match value["weir"].as_u64() {
            Some(FORMAT) => read_members(&value).ok_or_else(|| foreign("cannot be read")),
            Some(other) => Err(foreign(&format!("has format {other}, this plug-in reads {FORMAT}"))),
            None => Err(foreign("is not one of Weir's")),
        }
    }
}

fn foreign(what: &str) -> Failure {
    fatal(format!("the index {what}"))
}

fn read_members(value: &Value) -> Option<Payload> {
    let positions = value["positions"].as_array()?.iter().map(read_position).collect::<Option<_>>()?;
    Some(Payload {
        fingerprint: value["fingerprint"].as_str()?.into(),
        birth: value["birth"].as_i64()?,
        commits: value["commits"].as_u64()?,
        positions,
    })
}

fn read_position(value: &Value) -> Option<Position> {
    Some(Position {
        cluster: value[0].as_str()?.into(),
        topic: value[1].as_str()?.into(),
        topic_id: value[2].as_str()?.into(),
        partition: i32::try_from(value[3].as_i64()?).ok()?,
        next_offset: value[4].as_i64()?,
    })
}
