// SPDX-License-Identifier: MIT
//! The one writer of an index.
//!
//! tantivy's own IndexWriter ends its thread with each commit, asks each segment's dictionary for each document to
//! delete, and syncs what it writes. This one drives tantivy's segments itself: documents go to a thread that
//! stays (intake.rs), a table knows where each of them lies (segments.rs), merges are done beside it (merges.rs).
//!
//! A commit is the renaming of meta.json. What it names is in the page cache, which a kill leaves alone; `sync` takes
//! it to the disk, and says so in synced.json. After a power loss the index is what meta.json names, when that is
//! whole, and else what synced.json names (place.rs). So files that either of them names stay.
//!
//! Concurrency: the host calls one operation at a time; threads are those of intake.rs and merges.rs.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use tantivy::directory::DirectoryLock;
use tantivy::index::IndexMeta;
use tantivy::{Directory, Index};

use crate::document::{Maker, Record};
use crate::failure::{retry, write_line, Failure, Outcome};
use crate::ffi::*;
use crate::fields::Plan;
use crate::files::{Files, META, SYNCED};
use crate::host::Host;
use crate::intake::Intake;
use crate::merges::{self, Done, Merges};
use crate::payload::{Payload, Position};
use crate::place::{birth, Place};
use crate::segments::{files_of, Change, Fresh, Segments};

/// That much beside what is to be written has to be free after a failure.
const SPARE_BYTES: u64 = 1 << 20;
/// With more segments than this, commits wait for a merge.
const SEGMENT_LIMIT: usize = 48;
/// How long they wait between two questions whether the host has lost patience.
const WAIT: Duration = Duration::from_millis(50);
/// Commits between a merge that failed and the next one.
const MERGE_PAUSE: u32 = 64;

/// What was applied since the last commit.
struct Applied {
    kind: u32,
    applied_at: i64,
    state: Vec<u8>,
    /// Which of the documents handed to the intake it is.
    place: usize,
}

pub struct Writer {
    place: Place,
    files: Files,
    index: Index,
    segments: Segments,
    intake: Intake,
    merges: Merges,
    payload: Payload,
    /// What meta.json holds, and what synced.json does.
    published: Vec<u8>,
    synced: Vec<u8>,
    synced_files: HashSet<PathBuf>,
    /// A merge ended and meta.json does not have its result yet.
    is_merged: bool,
    /// Commits until merges are begun again.
    pause: u32,
    /// By id; None: expired.
    pending: HashMap<Vec<u8>, Option<Applied>>,
    /// Documents handed to the intake since the last commit.
    added: usize,
    maker: Maker,
    /// Of states, since the last commit.
    bytes: u64,
    /// What has to be free on the disk before anything is tried again after writing failed. Until then
    /// nothing smaller is either: an empty commit that passes would say that the documents are at fault.
    starved: u64,
    /// Something failed since the last commit: an empty one is to find out whether writing works, and writes.
    doubtful: bool,
    _lock: DirectoryLock,
}

impl Writer {
    pub fn open(place: &Place, plan: &Plan, buffer: usize) -> Outcome<Writer> {
        let (files, lock) = place.open_for_writing(plan)?;
        let index = place.index(&files)?;
        let metas = index.load_metas()?;
        let payload = place.payload(&metas, plan)?;
        let synced = files.read(SYNCED).unwrap_or_default();
        let segments =
            Segments::open(&index, metas.segments.clone()).map_err(|failure| failure.at(&place.path))?;
        let mut writer = Writer {
            place: place.clone(),
            intake: Intake::start(&index, buffer)?,
            merges: Merges::start(&files)?,
            published: files.read(META)?,
            synced_files: names_of(&synced),
            synced,
            files,
            index,
            segments,
            payload: payload.clone().unwrap_or_else(|| Payload::new(&plan.fingerprint, birth())),
            is_merged: false,
            pause: 0,
            pending: HashMap::new(),
            added: 0,
            maker: Maker::new(),
            bytes: 0,
            starved: 0,
            doubtful: false,
            _lock: lock,
        };
        writer.begin(&metas, payload.is_none())?;
        Ok(writer)
    }

    /// meta.json is what the index was opened with, and nothing else lies in the folder.
    fn begin(&mut self, metas: &IndexMeta, is_new: bool) -> Outcome<()> {
        if is_new {
            let payload = self.payload.clone();
            self.publish(&payload, Vec::new())?;
            self.sync()?;
        } else if self.place.is_taken_back(&self.published, metas)? {
            let payload = self.payload.clone();
            self.publish(&payload, metas.segments.clone())?;
        }
        let mut names = names_of(&self.published);
        names.extend(self.synced_files.iter().cloned());
        self.place.remove_strays(&names)?;
        self.begin_merges(merges::BUSY);
        Ok(())
    }

    /// Makes these the segments that readers see.
    fn publish(&mut self, payload: &Payload, segments: Vec<tantivy::SegmentMeta>) -> Outcome<()> {
        let meta = IndexMeta {
            index_settings: self.index.settings().clone(),
            persisted_custom_extensions: Vec::new(),
            segments,
            schema: self.index.schema(),
            opstamp: payload.commits,
            payload: Some(payload.write()),
        };
        let bytes = serde_json::to_vec(&meta).map_err(|error| retry(error.to_string()))?;
        self.files.replace(META, &bytes)?;
        self.published = bytes;
        self.is_merged = false;
        Ok(())
    }

    /// tantivy does not always tell why writing failed: a thread of its own met the error.
    fn note_starved<T>(&mut self, outcome: Outcome<T>) -> Outcome<T> {
        if outcome.is_err() {
            self.starved = self.starved.max(4 * self.bytes + SPARE_BYTES);
        }
        outcome
    }

    /// Whatever else made writing fail, with room on the disk it is tried again.
    pub fn check_room(&mut self) -> Outcome<()> {
        if self.starved == 0 {
            return Ok(());
        }
        let path = &self.place.path;
        let free = fs4::available_space(path)
            .map_err(|error| retry(format!("cannot see the disk of {}: {error}", path.display())))?;
        if free < self.starved {
            return Err(retry(format!(
                "the disk of {} has {:.1} MiB left after writing failed; it goes on by itself once there are {:.1}",
                path.display(),
                free as f64 / f64::from(1 << 20),
                self.starved as f64 / f64::from(1 << 20)
            )));
        }
        self.starved = 0;
        Ok(())
    }

    /// on_state answers whether to go on.
    pub fn fetch<'a>(
        &mut self,
        plan: &Plan,
        ids: impl Iterator<Item = &'a [u8]>,
        mut on_state: impl FnMut(usize, Option<&[u8]>) -> bool,
    ) -> Outcome<()> {
        for (index, id) in ids.enumerate() {
            let goes_on = match self.pending.get(id) {
                Some(applied) => on_state(index, applied.as_ref().map(|applied| &applied.state[..])),
                None => match self.segments.stored(plan, id)? {
                    Some(document) => on_state(index, Some(Record::of(plan, &document)?.state)),
                    None => on_state(index, None),
                },
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// A verdict for each document. Those that are accepted are on their way to a segment.
    pub fn apply<'a>(
        &mut self,
        plan: &Plan,
        host: &Host,
        documents: impl Iterator<Item = (&'a WeirDocument, &'a mut WeirVerdict)>,
    ) -> Outcome<()> {
        let mut all = Vec::new();
        for (document, verdict) in documents {
            match self.maker.make(plan, host, document)? {
                Ok(made) => {
                    verdict.kind = WEIR_ACCEPTED;
                    verdict.reason[0] = 0;
                    self.note_applied(document);
                    all.push(made);
                }
                Err(reason) => {
                    verdict.kind = WEIR_REJECTED;
                    write_line(&mut verdict.reason, reason);
                }
            }
        }
        let added = if all.is_empty() { Ok(()) } else { self.intake.add(all) };
        self.note_starved(added)
    }

    fn note_applied(&mut self, document: &WeirDocument) {
        let applied = Applied {
            kind: document.kind,
            applied_at: document.applied_at,
            state: document.state().to_vec(),
            place: self.added,
        };
        self.added += 1;
        self.bytes += document.state().len() as u64;
        self.pending.insert(document.id().to_vec(), Some(applied));
    }

    pub fn commit(&mut self, host: &Host, positions: impl Iterator<Item = Position>) -> Outcome<()> {
        let mut payload = self.payload.clone();
        payload.set_positions(positions);
        self.check_room()?;
        let is_unchanged = self.pending.is_empty() && payload == self.payload;
        self.end_merges()?;
        if is_unchanged && !self.doubtful && !self.is_merged {
            return Ok(());
        }
        if !is_unchanged || self.doubtful {
            payload.commits += 1;
        }
        self.wait_for_merges(host)?;
        let committed = self.commit_pending(&payload);
        self.note_starved(committed)?;
        self.payload = payload;
        self.doubtful = false;
        self.forget();
        self.sweep();
        self.begin_merges(merges::BUSY);
        Ok(())
    }

    fn commit_pending(&mut self, payload: &Payload) -> Outcome<()> {
        let made = self.intake.finish()?;
        let mut files: Vec<PathBuf> = made.iter().flat_map(|segment| files_of(segment.meta())).collect();
        let outcome = self.change(made, payload, &mut files).and_then(|change| {
            self.publish(payload, self.segments.metas_after(&change))?;
            Ok(change)
        });
        match outcome {
            Ok(change) => self.segments.accept(change),
            Err(failure) => {
                self.delete(files);
                Err(failure)
            }
        }
    }

    fn change(
        &self,
        made: Vec<tantivy::Segment>,
        payload: &Payload,
        files: &mut Vec<PathBuf>,
    ) -> Outcome<Change> {
        let mut fresh = vec![None; self.added];
        for (id, applied) in &self.pending {
            if let Some(applied) = applied {
                fresh[applied.place] = Some((id, applied.kind));
            }
        }
        let fresh: Vec<Fresh> = fresh
            .into_iter()
            .map(|document| Fresh {
                id: document.map(|(id, _)| &id[..]),
                is_hidden: document.is_some_and(|(_, kind)| kind == WEIR_KIND_HIDDEN),
            })
            .collect();
        let gone = self.pending.iter().filter(|(_, applied)| applied.is_none()).map(|(id, _)| id.clone());
        self.segments.change(made, &fresh, gone, payload.commits, files)
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.added = 0;
        self.bytes = 0;
    }

    fn delete(&self, files: Vec<PathBuf>) {
        for path in files {
            /* What cannot be deleted now is a stray for the next writer. */
            let _ = self.files.delete(&path);
        }
    }

    /// Files that no commit names any more.
    fn sweep(&mut self) {
        let trash = std::mem::take(&mut self.segments.trash);
        let (kept, gone): (Vec<_>, Vec<_>) =
            trash.into_iter().partition(|path| self.synced_files.contains(path));
        self.segments.trash = kept;
        self.delete(gone);
    }

    /// A merge that failed, as for want of room, is no reason not to commit: it is begun again later.
    fn take_merge(&mut self, done: Done) -> Outcome<()> {
        if done.outcome.is_err() {
            self.pause = MERGE_PAUSE;
        } else {
            self.is_merged = true;
        }
        self.segments.end_merge(done)
    }

    fn end_merges(&mut self) -> Outcome<()> {
        while let Some(done) = self.merges.done() {
            self.take_merge(done)?;
        }
        Ok(())
    }

    fn begin_merges(&mut self, fan_in: usize) {
        self.pause = self.pause.saturating_sub(1);
        if self.pause == 0 {
            self.segments.begin_merges(&self.merges, fan_in);
        }
    }

    fn wait_for_merges(&mut self, host: &Host) -> Outcome<()> {
        while self.segments.count() > SEGMENT_LIMIT && self.segments.is_merging() {
            host.check()?;
            if let Some(done) = self.merges.wait(WAIT) {
                self.take_merge(done)?;
            }
        }
        Ok(())
    }

    pub fn abandon(&mut self) -> Outcome<()> {
        self.forget();
        self.doubtful = true;
        if let Ok(dropped) = self.intake.drop_all() {
            self.delete(dropped.iter().flat_map(|segment| files_of(segment.meta())).collect());
        }
        Ok(())
    }

    /// What a merge has made while nothing is committed is published here.
    pub fn maintain(&mut self) -> Outcome<()> {
        if self.added > 0 || !self.pending.is_empty() || self.starved > 0 {
            return Ok(());
        }
        self.end_merges()?;
        if self.is_merged {
            let payload = self.payload.clone();
            self.commit_pending(&payload)?;
            self.sweep();
        }
        self.begin_merges(merges::IDLE);
        Ok(())
    }

    pub fn sync(&mut self) -> Outcome<()> {
        if self.synced == self.published {
            return Ok(());
        }
        let outcome = self.sync_published();
        outcome.map_err(|error| Failure { message: format!("cannot sync: {error}"), ..retry("") })?;
        self.sweep();
        Ok(())
    }

    fn sync_published(&mut self) -> std::io::Result<()> {
        self.files.sync_files()?;
        self.files.sync_folder()?;
        self.files.replace(SYNCED, &self.published)?;
        self.files.sync_folder()?;
        self.synced = self.published.clone();
        self.synced_files = names_of(&self.synced);
        Ok(())
    }

    pub fn positions(&self) -> &[Position] {
        &self.payload.positions
    }

    /// How many hidden documents it removed.
    pub fn expire(&mut self, plan: &Plan, before: i64) -> Outcome<u64> {
        let mut ids = self.segments.hidden_before(plan, before)?;
        ids.retain(|id| !self.pending.contains_key(id));
        ids.extend(self.pending.iter().filter_map(|(id, applied)| {
            let applied = applied.as_ref()?;
            (applied.kind == WEIR_KIND_HIDDEN && applied.applied_at < before).then(|| id.clone())
        }));
        let removed = ids.len() as u64;
        for id in ids {
            self.pending.insert(id, None);
        }
        Ok(removed)
    }

    /// Live and hidden documents, with what was applied.
    pub fn counts(&self) -> (u64, u64) {
        let (mut live, mut hidden) = self.segments.counts();
        for (id, applied) in &self.pending {
            match self.segments.find(id).map(|spot| spot.kind()) {
                Some(WEIR_KIND_LIVE) => live = live.saturating_sub(1),
                Some(_) => hidden = hidden.saturating_sub(1),
                None => {}
            }
            match applied.as_ref().map(|applied| applied.kind) {
                Some(WEIR_KIND_LIVE) => live += 1,
                Some(_) => hidden += 1,
                None => {}
            }
        }
        (live, hidden)
    }

    pub fn segments(&self) -> usize {
        self.segments.count()
    }
}

/// Files of the segments that a meta.json names.
fn names_of(meta: &[u8]) -> HashSet<PathBuf> {
    crate::place::segment_files(meta).unwrap_or_default()
}
