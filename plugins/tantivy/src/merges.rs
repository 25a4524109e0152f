// SPDX-License-Identifier: MIT
//! Merges of segments, in the background: which, and how.
//!
//! Segments of a commit are small, and each costs every search. So many of about the same size become one: more of
//! them while documents keep coming, because each merge writes all of it anew; fewer when there is time. Two threads, one for small results and one for large ones, so that a large merge does not leave small segments to
//! pile up behind it.
//!
//! Concurrency: a lane is a thread that gets plans and answers results, over channels. `stop` makes the output of
//! a merge fail, which ends it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite, WatchCallback, WatchHandle,
    WritePtr,
};
use tantivy::fastfield::AliveBitSet;
use tantivy::index::SegmentId;
use tantivy::indexer::merge_filtered_segments;
use tantivy::{BitSet, Directory, IndexSettings, Segment};

use crate::failure::Outcome;
use crate::files::{locked, Files, META};

/// So many of one level become one while there are commits, and so many when there are none.
pub const BUSY: usize = 12;
pub const IDLE: usize = 4;
/// Levels are powers of the first times the second of documents.
const LEVEL_FACTOR: f64 = 8.0;
const LEVEL_DOCUMENTS: f64 = 500.0;
/// A result of more documents is for the lane of large ones.
const SMALL_DOCUMENTS: u32 = 50_000;
/// From this share on, dead documents are worth writing the living ones anew.
const DEAD_SHARE: f64 = 0.4;
/// That much output between two times of letting go of the pages that were read for it.
const FORGET_BYTES: u64 = 16 << 20;

/// What the policy wants to know of a segment.
pub struct Size {
    pub number: u32,
    pub documents: u32,
    pub living: u32,
}

pub struct Plan {
    pub numbers: Vec<u32>,
    documents: u32,
}

fn level(size: &Size) -> i32 {
    (f64::from(size.living.max(1)) / LEVEL_DOCUMENTS).max(1.0).log(LEVEL_FACTOR).floor() as i32
}

fn plan_of(sizes: &[&Size]) -> Plan {
    Plan {
        numbers: sizes.iter().map(|size| size.number).collect(),
        documents: sizes.iter().map(|size| size.living).sum(),
    }
}

/// Merges that are due among segments that are in none, oldest first; fan_in of a level become one.
pub fn due(sizes: &[Size], fan_in: usize) -> Vec<Plan> {
    let mut levels: std::collections::BTreeMap<i32, Vec<&Size>> = Default::default();
    for size in sizes {
        levels.entry(level(size)).or_default().push(size);
    }
    let mut plans = Vec::new();
    for of_level in levels.values() {
        let (whole, rest) = of_level.split_at(of_level.len() / fan_in * fan_in);
        plans.extend(whole.chunks(fan_in).map(plan_of));
        for size in rest {
            if f64::from(size.documents - size.living) >= DEAD_SHARE * f64::from(size.documents) {
                plans.push(plan_of(&[size]));
            }
        }
    }
    plans
}

struct Task {
    numbers: Vec<u32>,
    inputs: Vec<(Segment, Option<BitSet>)>,
}

pub struct Done {
    pub numbers: Vec<u32>,
    /// Of each, what lived in it when the merge began; None: all of it.
    pub lived: Vec<Option<BitSet>>,
    /// The segment and how many documents it has; none: nothing in them lived.
    pub outcome: Outcome<Option<(SegmentId, u32)>>,
}

/// How long the end waits for a merge to notice it.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Merges {
    lanes: Vec<Sender<Task>>,
    results: Receiver<Done>,
    stop: Arc<AtomicBool>,
}

impl Merges {
    pub fn start(files: &Files) -> Outcome<Merges> {
        let (result, results) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let lane = |name: &str| -> Outcome<Sender<Task>> {
            let (sender, tasks) = channel::<Task>();
            let (files, result, stop) = (files.clone(), result.clone(), stop.clone());
            std::thread::Builder::new().name(name.into()).spawn(move || {
                step_back();
                for task in tasks {
                    let outcome = merge(&files, &stop, &task.inputs);
                    let lived = task.inputs.into_iter().map(|(_, living)| living).collect();
                    if result.send(Done { numbers: task.numbers, lived, outcome }).is_err() {
                        break;
                    }
                }
            })?;
            Ok(sender)
        };
        Ok(Merges { lanes: vec![lane("weir-merge-s")?, lane("weir-merge-l")?], results, stop })
    }

    /// inputs: in the order of the plan's numbers, with what lives in each; None: all of it.
    pub fn begin(&self, plan: Plan, inputs: Vec<(Segment, Option<BitSet>)>) {
        let lane = usize::from(plan.documents > SMALL_DOCUMENTS);
        /* A lane ends with the process only. */
        let task = Task { numbers: plan.numbers, inputs };
        let _ = self.lanes.get(lane).map(|lane| lane.send(task));
    }

    pub fn done(&self) -> Option<Done> {
        self.results.try_recv().ok()
    }

    pub fn wait(&self, time: Duration) -> Option<Done> {
        self.results.recv_timeout(time).ok()
    }
}

impl Drop for Merges {
    /// What a merge may still write after that is in nobody's way: nothing names it, and the next writer removes it.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.lanes.clear();
        let until = Instant::now() + PATIENCE;
        while self.results.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

/// Commits come first where processors are few.
fn step_back() {
    // SAFETY: of this thread alone; that it may fail does no harm.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t, 5) };
}

fn alive_bits(living: &BitSet) -> Outcome<AliveBitSet> {
    let mut bytes = Vec::new();
    tantivy::fastfield::write_alive_bitset(living, &mut bytes)?;
    Ok(AliveBitSet::open(OwnedBytes::new(bytes)))
}

fn merge(
    files: &Files,
    stop: &Arc<AtomicBool>,
    inputs: &[(Segment, Option<BitSet>)],
) -> Outcome<Option<(SegmentId, u32)>> {
    let Some((first, _)) = inputs.first() else { return Ok(None) };
    let lives = |(segment, living): &(Segment, Option<BitSet>)| {
        living.as_ref().map_or(segment.meta().max_doc() as usize, BitSet::len)
    };
    if inputs.iter().map(lives).sum::<usize>() == 0 {
        return Ok(None);
    }
    let segments: Vec<Segment> = inputs.iter().map(|(segment, _)| segment.clone()).collect();
    let filters = inputs
        .iter()
        .map(|(_, living)| living.as_ref().map(alive_bits).transpose())
        .collect::<Outcome<Vec<_>>>()?;
    let settings: IndexSettings = first.index().settings().clone();
    let output = Output::new(files, stop);
    let merging = || -> Outcome<Option<(SegmentId, u32)>> {
        let merged = merge_filtered_segments(&segments, settings, filters, output.clone())?;
        /* A large file would keep the next sync, and with it the commits, waiting. */
        if output.written.load(Ordering::Relaxed) > FORGET_BYTES {
            output.sync()?;
        }
        Ok(merged.load_metas()?.segments.first().map(|meta| (meta.id(), meta.max_doc())))
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(merging))
        .unwrap_or_else(|_| Err(crate::failure::retry("a bug while merging")));
    files.forget_pages();
    if outcome.is_err() {
        output.remove();
    }
    outcome
}

/// Where a merge writes to: files of the index, beside a meta.json of its own that is never written.
#[derive(Clone, Debug)]
struct Output {
    files: Files,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    meta: Arc<Mutex<Vec<u8>>>,
    begun: Arc<Mutex<Vec<PathBuf>>>,
}

impl Output {
    fn new(files: &Files, stop: &Arc<AtomicBool>) -> Output {
        Output {
            files: files.clone(),
            stop: stop.clone(),
            written: Arc::default(),
            meta: Arc::default(),
            begun: Arc::default(),
        }
    }

    fn sync(&self) -> std::io::Result<()> {
        locked(&self.begun).iter().try_for_each(|path| self.files.sync_file(path))
    }

    /// What a merge that failed has left.
    fn remove(&self) {
        for path in locked(&self.begun).iter() {
            let _ = self.files.delete(path);
        }
    }

    fn note(&self, bytes: usize) -> std::io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("the index is being closed"));
        }
        let bytes = bytes as u64;
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / FORGET_BYTES != (before + bytes) / FORGET_BYTES {
            self.files.forget_pages();
        }
        Ok(())
    }
}

struct Counted {
    inner: WritePtr,
    output: Output,
}

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.output.note(bytes.len())?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl TerminatingWrite for Counted {
    fn terminate_ref(&mut self, token: AntiCallToken) -> std::io::Result<()> {
        self.inner.terminate_ref(token)
    }
}

impl Directory for Output {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let inner = self.files.open_write(path)?;
        locked(&self.begun).push(path.into());
        Ok(std::io::BufWriter::new(Box::new(Counted { inner, output: self.clone() })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path != Path::new(META) || locked(&self.meta).is_empty() {
            return Err(OpenReadError::FileDoesNotExist(path.into()));
        }
        Ok(locked(&self.meta).clone())
    }

    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        if path == Path::new(META) {
            *locked(&self.meta) = bytes.to_vec();
        }
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.files.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        Ok(())
    }
}
