// SPDX-License-Identifier: MIT
//! Makes segments of documents, in a thread of its own: while the host merges the next ones, these are indexed.
//!
//! Concurrency: the writer sends jobs, the thread does them in order. It is told to end by dropping the Intake.

use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::thread::JoinHandle;

use tantivy::indexer::{AddOperation, SegmentWriter};
use tantivy::{Index, Segment, TantivyDocument};

use crate::failure::{retry, Outcome};

/// Of documents handed over and not yet indexed, in calls of apply.
const WAITING: usize = 8;
/// What a segment begins with: a table for its words, that grows by itself.
const FIRST_BYTES: usize = 1 << 20;

enum Job {
    Add(Vec<TantivyDocument>),
    /// Ends the segments of all that was added.
    Finish(SyncSender<tantivy::Result<Vec<Segment>>>),
    /// Drops it instead, and answers what had been ended already.
    Drop(SyncSender<Vec<Segment>>),
}

pub struct Intake {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Worker {
    index: Index,
    limit: usize,
    open: Option<(Segment, SegmentWriter)>,
    ended: Vec<Segment>,
    failed: Option<tantivy::TantivyError>,
}

impl Worker {
    fn add(&mut self, documents: Vec<TantivyDocument>) -> tantivy::Result<()> {
        for document in documents {
            if self.open.is_none() {
                let segment = self.index.new_segment();
                self.open = Some((segment.clone(), SegmentWriter::for_segment(FIRST_BYTES, segment)?));
            }
            if let Some((_, writer)) = &mut self.open {
                writer.add_document(AddOperation { opstamp: 0, document })?;
            }
        }
        if self.open.as_ref().is_some_and(|(_, writer)| writer.mem_usage() >= self.limit) {
            self.end_segment()?;
        }
        Ok(())
    }

    fn end_segment(&mut self) -> tantivy::Result<()> {
        if let Some((segment, writer)) = self.open.take() {
            let count = writer.max_doc();
            /* Also when it fails: its files are to be removed. */
            let outcome = writer.finalize();
            self.ended.push(segment.with_max_doc(count));
            outcome?;
        }
        Ok(())
    }

    fn note(&mut self, outcome: tantivy::Result<()>) {
        if let Err(error) = outcome {
            self.failed.get_or_insert(error);
        }
    }

    fn work(mut self, jobs: Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Add(documents) => {
                    if self.failed.is_none() {
                        let outcome = self.add(documents);
                        self.note(outcome);
                    }
                }
                Job::Finish(answer) => {
                    let outcome = self.end_segment();
                    self.note(outcome);
                    let made = match self.failed.take() {
                        /* Kept for the Drop that follows. */
                        Some(error) => Err(error),
                        None => Ok(std::mem::take(&mut self.ended)),
                    };
                    let _ = answer.send(made);
                }
                Job::Drop(answer) => {
                    self.failed = None;
                    if let Some((segment, _)) = self.open.take() {
                        self.ended.push(segment);
                    }
                    let _ = answer.send(std::mem::take(&mut self.ended));
                }
            }
        }
    }
}

impl Intake {
    /// limit: bytes of memory at which a segment ends.
    pub fn start(index: &Index, limit: usize) -> Outcome<Intake> {
        let (sender, receiver) = sync_channel(WAITING);
        let worker = Worker { index: index.clone(), limit, open: None, ended: Vec::new(), failed: None };
        let thread =
            std::thread::Builder::new().name("weir-index".into()).spawn(move || worker.work(receiver))?;
        Ok(Intake { jobs: Some(sender), thread: Some(thread) })
    }

    fn send(&self, job: Job) -> Outcome<()> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent {
            Ok(())
        } else {
            Err(gone())
        }
    }

    pub fn add(&self, documents: Vec<TantivyDocument>) -> Outcome<()> {
        self.send(Job::Add(documents))
    }

    /// Segments that together hold the documents in the order in which they were added. After a failure: drop_all.
    pub fn finish(&self) -> Outcome<Vec<Segment>> {
        let (answer, made) = sync_channel(1);
        self.send(Job::Finish(answer))?;
        Ok(made.recv().map_err(|_| gone())??)
    }

    /// Forgets what was added, and answers segments that have files.
    pub fn drop_all(&self) -> Outcome<Vec<Segment>> {
        let (answer, dropped) = sync_channel(1);
        self.send(Job::Drop(answer))?;
        dropped.recv().map_err(|_| gone())
    }
}

fn gone() -> crate::failure::Failure {
    retry("the thread that indexes has ended")
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
