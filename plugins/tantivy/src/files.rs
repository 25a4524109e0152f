// SPDX-License-Identifier: MIT
//! The files of an index as tantivy's Directory: mapped, and synced when somebody asks for it, not each as it ends.
//!
//! tantivy keeps a list of the files that it has to look after, and writes it anew for every file. Here the writer
//! looks after them itself (segments.rs), so the list is neither read nor written. meta.json is what whoever opens
//! the index found to be right (place.rs): tantivy reads it from memory.
//!
//! Concurrency: threads that merge and the one that indexes end files beside each other, and readers map them;
//! each member of Shared has its lock.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use memmap2::{Mmap, UncheckedAdvice};
use stable_deref_trait::StableDeref;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, Lock, MmapDirectory, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};
use tantivy::Directory;

/// The file whose renaming is a commit.
pub const META: &str = "meta.json";
/// The same of the last commit that was synced.
pub const SYNCED: &str = "synced.json";

/// That much of mapped files may count as memory before it is let go of.
const FORGET_BYTES: usize = 48 << 20;

/// How much of what this process has in memory is of files.
fn mapped_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(2).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

#[derive(Debug)]
struct Shared {
    /// For its locks.
    mapped: MmapDirectory,
    folder: PathBuf,
    unsynced: Mutex<Vec<PathBuf>>,
    mappings: Mutex<HashMap<PathBuf, Weak<Mapping>>>,
    meta: Mutex<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub struct Files(Arc<Shared>);

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Mapping(Mmap);

#[derive(Clone)]
struct Mapped(Arc<Mapping>);

impl Deref for Mapped {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0 .0
    }
}

// SAFETY: the map stays where it is as long as somebody holds it.
unsafe impl StableDeref for Mapped {}

impl Files {
    /// Reads no meta.json: take_meta says what it holds.
    pub fn open(folder: &Path) -> Result<Files, OpenDirectoryError> {
        Ok(Files(Arc::new(Shared {
            mapped: MmapDirectory::open(folder)?,
            folder: folder.into(),
            unsynced: Mutex::default(),
            mappings: Mutex::default(),
            meta: Mutex::default(),
        })))
    }

    pub fn take_meta(&self, bytes: Vec<u8>) {
        *locked(&self.0.meta) = bytes;
    }

    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.folder.join(name))
    }

    /// Makes the file these bytes at once, and whole whatever happens: they are on the disk before the name is.
    /// That the name lasts is for sync_folder.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.0.folder.join(format!(".{name}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(beside, self.0.folder.join(name))
    }

    pub fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.0.folder)?.sync_all()
    }

    /// Everything that ended so far.
    pub fn sync_files(&self) -> io::Result<()> {
        loop {
            let Some(path) = locked(&self.0.unsynced).last().cloned() else { return Ok(()) };
            self.sync_file(&path)?;
        }
    }

    /// What was deleted meanwhile needs no syncing.
    pub fn sync_file(&self, path: &Path) -> io::Result<()> {
        match File::open(self.0.folder.join(path)) {
            Ok(file) => file.sync_data()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        locked(&self.0.unsynced).retain(|unsynced| *unsynced != path);
        Ok(())
    }

    /// Pages of mapped files count as this process's memory once they were looked at; here they are let go of. They
    /// stay in the page cache.
    pub fn forget_pages(&self) {
        let mut mappings = locked(&self.0.mappings);
        mappings.retain(|_, mapping| mapping.strong_count() > 0);
        for mapping in mappings.values().filter_map(Weak::upgrade) {
            // SAFETY: of a file that is only read, a page that was let go of comes back as it was.
            let _ = unsafe { mapping.0.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }

    /// The same, when they are many by now.
    pub fn forget_many_pages(&self) {
        if mapped_bytes() > FORGET_BYTES {
            self.forget_pages();
        }
    }

    fn map(&self, path: &Path) -> io::Result<OwnedBytes> {
        let mut mappings = locked(&self.0.mappings);
        if let Some(mapping) = mappings.get(path).and_then(Weak::upgrade) {
            return Ok(OwnedBytes::new(Mapped(mapping)));
        }
        let file = File::open(self.0.folder.join(path))?;
        if file.metadata()?.len() == 0 {
            return Ok(OwnedBytes::empty());
        }
        // SAFETY: files of an index are never changed once they are whole.
        let mapping = Arc::new(Mapping(unsafe { Mmap::map(&file) }?));
        mappings.insert(path.into(), Arc::downgrade(&mapping));
        Ok(OwnedBytes::new(Mapped(mapping)))
    }
}

/// Remembers its file when it is whole.
struct Unsynced {
    file: File,
    /// In the folder.
    path: PathBuf,
    files: Files,
}

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TerminatingWrite for Unsynced {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        locked(&self.files.0.unsynced).push(self.path.clone());
        Ok(())
    }
}

impl Directory for Files {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.map(path) {
            Ok(bytes) => Ok(Arc::new(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(OpenReadError::FileDoesNotExist(path.into()))
            }
            Err(error) => Err(OpenReadError::wrap_io_error(error, path.into())),
        }
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.mapped.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.0.folder.join(path).exists())
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let full = self.0.folder.join(path);
        let file = OpenOptions::new().write(true).create_new(true).open(full).map_err(|error| {
            if error.kind() == ErrorKind::AlreadyExists {
                OpenWriteError::FileAlreadyExists(path.into())
            } else {
                OpenWriteError::wrap_io_error(error, path.into())
            }
        })?;
        Ok(BufWriter::new(Box::new(Unsynced { file, path: path.into(), files: self.clone() })))
    }

    /// Of meta.json alone.
    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path != Path::new(META) {
            return Err(OpenReadError::FileDoesNotExist(path.into()));
        }
        Ok(locked(&self.0.meta).clone())
    }

    /// Commits are written by replace.
    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if path == Path::new(META) {
            self.take_meta(bytes.to_vec());
        }
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.mapped.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.mapped.watch(callback)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}
