// SPDX-License-Identifier: MIT
//! The folder of an index: what stands there, and whether it is ours.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tantivy::directory::INDEX_WRITER_LOCK;
use tantivy::index::IndexMeta;
use tantivy::{Directory, Index, IndexSettings, TantivyError};

use crate::failure::{fatal, retry, Failure, Outcome};
use crate::fields::Plan;
use crate::files::Files;
use crate::payload::Payload;

/// The file whose renaming is a commit.
pub const META: &str = "meta.json";

#[derive(Clone)]
pub struct Place {
    pub path: PathBuf,
}

/// Another value after each commit, and after each merge.
#[derive(PartialEq, Clone, Copy)]
pub struct Stamp(u64, i64, i64, u64);

enum Found {
    Nothing,
    Index,
}

/// Makes the folder and those above it, to last: a name lasts once the folder that has it is synced.
fn make_folder(path: &Path) -> std::io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !above.is_dir() {
        make_folder(above)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::File::open(above)?.sync_all()
}

impl Place {
    pub fn new(path: &str) -> Place {
        Place { path: PathBuf::from(path) }
    }

    /// Ends a line about what is there with the way out.
    fn refuse(&self, what: &str) -> Failure {
        fatal(format!(
            "{} {what}; set another path, or make the index anew: weir rebuild",
            self.path.display()
        ))
    }

    fn look(&self) -> Outcome<Found> {
        if !self.path.exists() {
            return Ok(Found::Nothing);
        }
        if !self.path.is_dir() {
            return Err(self.refuse("is not a folder, so no index of tantivy"));
        }
        if self.path.join(META).exists() {
            return Ok(Found::Index);
        }
        /* Locks, and what a kill left of the first file, begin with a dot. */
        for entry in std::fs::read_dir(&self.path)? {
            if !entry?.file_name().as_encoded_bytes().starts_with(b".") {
                return Err(self.refuse("holds other files and no index of tantivy"));
            }
        }
        Ok(Found::Nothing)
    }

    /// None: the index was made and its first commit is still to come.
    pub fn payload(&self, metas: &IndexMeta, plan: &Plan) -> Outcome<Option<Payload>> {
        let payload = match &metas.payload {
            Some(text) => Payload::read(text)
                .map_err(|failure| self.refuse(&format!("holds an index, but {}", failure.message)))?,
            None if metas.segments.is_empty() && metas.schema == plan.schema => return Ok(None),
            None => return Err(self.refuse("holds an index of tantivy that is not one of Weir's")),
        };
        if payload.fingerprint != plan.fingerprint {
            return Err(self.refuse(&format!(
                "holds an index for schema {:.40}, and {} is now {:.40}",
                payload.fingerprint, plan.collection, plan.fingerprint
            )));
        }
        if metas.schema != plan.schema {
            return Err(self.refuse("holds an index that another version of this plug-in laid out"));
        }
        Ok(Some(payload))
    }

    fn open_index(&self) -> Outcome<Index> {
        let opened = Files::open(&self.path).map_err(TantivyError::from).and_then(Index::open);
        opened.map_err(|error| {
            let failure = Failure::from(error);
            Failure { message: format!("{}: {}", self.path.display(), failure.message), ..failure }
        })
    }

    /// Makes what is missing. Two that do so at once: the lock lets one do it.
    pub fn open_for_writing(&self, plan: &Plan) -> Outcome<Index> {
        if let Found::Nothing = self.look()? {
            make_folder(&self.path)
                .map_err(|error| retry(format!("cannot make the folder {}: {error}", self.path.display())))?;
            let directory = Files::open(&self.path).map_err(TantivyError::from)?;
            let _lock = directory
                .acquire_lock(&INDEX_WRITER_LOCK)
                .map_err(|error| TantivyError::LockFailure(error, None))?;
            if !self.path.join(META).exists() {
                /* A thread that compresses costs more than it saves at many small commits. */
                let settings =
                    IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
                Index::create(directory, plan.schema.clone(), settings)?;
            }
        }
        let index = self.open_index()?;
        self.payload(&index.load_metas()?, plan)?;
        Ok(index)
    }

    pub fn open_for_reading(&self) -> Outcome<Index> {
        match self.look()? {
            Found::Index => self.open_index(),
            Found::Nothing => Err(retry(format!(
                "there is no index at {} yet; wait for the indexer to make it",
                self.path.display()
            ))),
        }
    }

    pub fn stamp(&self) -> Outcome<Stamp> {
        let meta = std::fs::metadata(self.path.join(META))
            .map_err(|error| retry(format!("cannot see {}/{META}: {error}", self.path.display())))?;
        Ok(Stamp(meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
    }

    pub fn bytes(&self) -> u64 {
        bytes_in(&self.path)
    }
}

fn bytes_in(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// For Payload::new.
pub fn birth() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}
