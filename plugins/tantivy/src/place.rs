// SPDX-License-Identifier: MIT
//! The folder of an index: what stands there, and whether it is ours.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tantivy::directory::{DirectoryLock, ManagedDirectory, INDEX_WRITER_LOCK};
use tantivy::index::IndexMeta;
use tantivy::{Directory, Index, IndexSettings, TantivyError};

use crate::failure::{fatal, retry, Failure, Outcome};
use crate::fields::Plan;
use crate::files::{Files, META, SYNCED};
use crate::payload::Payload;
use crate::words::tokenizers;

/// Of stored documents, that are packed and unpacked together.
const BLOCK_BYTES: usize = 4096;
/// How often the writer may commit between two looks of ours before we say RETRY.
const TRIES: usize = 50;

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

    pub fn index(&self, files: &Files) -> Outcome<Index> {
        let mut index = Index::open(files.clone()).map_err(|error| Failure::from(error).at(&self.path))?;
        index.set_tokenizers(tokenizers());
        Ok(index)
    }

    fn files(&self) -> Outcome<Files> {
        Ok(Files::open(&self.path).map_err(TantivyError::from)?)
    }

    /// Makes what is missing, and takes the lock. Two that do so at once: the lock lets one do it.
    pub fn open_for_writing(&self, plan: &Plan) -> Outcome<(Files, DirectoryLock)> {
        if let Found::Nothing = self.look()? {
            make_folder(&self.path)
                .map_err(|error| retry(format!("cannot make the folder {}: {error}", self.path.display())))?;
        }
        let files = self.files()?;
        if self.path.join(META).exists() {
            /* What is not ours is not locked either. */
            self.trust(&files)?;
            self.payload(&self.index(&files)?.load_metas()?, plan)?;
        }
        let lock = files
            .acquire_lock(&INDEX_WRITER_LOCK)
            .map_err(|error| Failure::from(TantivyError::LockFailure(error, None)).at(&self.path))?;
        if !self.path.join(META).exists() {
            /* A thread that compresses costs more than it saves at many small commits; and ten hits are ten blocks. */
            let settings = IndexSettings {
                docstore_compress_dedicated_thread: false,
                docstore_blocksize: BLOCK_BYTES,
                ..IndexSettings::default()
            };
            let made = Index::create(files.clone(), plan.schema.clone(), settings)?;
            let bytes = made.directory().atomic_read(Path::new(META)).map_err(TantivyError::from)?;
            files.replace(META, &bytes)?;
            files.sync_folder()?;
        }
        self.trust(&files)?;
        Ok((files, lock))
    }

    pub fn open_for_reading(&self) -> Outcome<Files> {
        match self.look()? {
            Found::Index => {
                let files = self.files()?;
                self.trust(&files)?;
                Ok(files)
            }
            Found::Nothing => Err(retry(format!(
                "there is no index at {} yet; wait for the indexer to make it",
                self.path.display()
            ))),
        }
    }

    /// Sees which commit the index holds: that of meta.json, whose files are there, and right where nobody has synced
    /// them; else, as after a power loss, that of synced.json.
    fn trust(&self, files: &Files) -> Outcome<()> {
        for _ in 0..TRIES {
            let meta = files.read(META)?;
            let synced = files.read(SYNCED).unwrap_or_default();
            files.take_meta(meta.clone());
            if meta == synced || synced.is_empty() || self.is_whole(files, &meta, &synced) {
                return Ok(());
            }
            if files.read(META)? == meta {
                files.take_meta(synced);
                return Ok(());
            }
        }
        Err(retry(format!("the index at {} changes faster than it can be opened", self.path.display())))
    }

    /// Whether each file of meta that synced does not name is as it was written.
    fn is_whole(&self, files: &Files, meta: &[u8], synced: &[u8]) -> bool {
        let Some(names) = segment_files(meta) else {
            /* It was whole before it had its name: something else damaged it, and whoever reads it says so. */
            return true;
        };
        let synced = segment_files(synced).unwrap_or_default();
        let Ok(directory) = ManagedDirectory::wrap(Box::new(files.clone())) else { return false };
        names.difference(&synced).all(|name| directory.validate_checksum(name).unwrap_or(false))
    }

    /// Whether the index was opened with another commit than the one that meta.json holds.
    pub fn is_taken_back(&self, meta: &[u8], opened: &IndexMeta) -> Outcome<bool> {
        let payload = serde_json::from_slice::<serde_json::Value>(meta).ok();
        let payload = payload.as_ref().and_then(|meta| meta["payload"].as_str());
        Ok(payload != opened.payload.as_deref() || segment_files(meta) != Some(opened.list_segment_files()))
    }

    /// Removes segments' files that nothing names: a kill, or a power loss, left them.
    pub fn remove_strays(&self, names: &HashSet<PathBuf>) -> Outcome<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let name = PathBuf::from(entry?.file_name());
            if is_of_segment(&name) && !names.contains(&name) {
                std::fs::remove_file(self.path.join(name))?;
            }
        }
        Ok(())
    }

    pub fn stamp(&self) -> Outcome<Stamp> {
        let meta = std::fs::metadata(self.path.join(META))
            .map_err(|error| retry(format!("cannot see {}/{META}: {error}", self.path.display())))?;
        Ok(Stamp(meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
    }

    /// None: there is no index.
    pub fn stamp_if_any(&self) -> Outcome<Option<Stamp>> {
        if self.path.join(META).exists() {
            self.stamp().map(Some)
        } else {
            Ok(None)
        }
    }

    pub fn bytes(&self) -> u64 {
        bytes_in(&self.path)
    }
}

/// "<32 hexadecimal digits>.<what>"
fn is_of_segment(name: &Path) -> bool {
    let name = name.as_os_str().as_encoded_bytes();
    name.len() > 33 && name[32] == b'.' && name[..32].iter().all(u8::is_ascii_hexdigit)
}

/// Files that a meta.json names; None: it cannot be read.
pub fn segment_files(meta: &[u8]) -> Option<HashSet<PathBuf>> {
    let meta: serde_json::Value = serde_json::from_slice(meta).ok()?;
    let mut files = HashSet::new();
    for segment in meta["segments"].as_array()? {
        let id = segment["segment_id"].as_str()?.replace('-', "");
        for kind in ["idx", "pos", "term", "store", "fast", "fieldnorm"] {
            files.insert(PathBuf::from(format!("{id}.{kind}")));
        }
        if let Some(opstamp) = segment["deletes"]["opstamp"].as_u64() {
            files.insert(PathBuf::from(format!("{id}.{opstamp}.del")));
        }
    }
    Some(files)
}

fn bytes_in(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// For Payload::new.
pub fn birth() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}
