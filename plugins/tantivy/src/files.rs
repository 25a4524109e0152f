// SPDX-License-Identifier: MIT
//! The files of an index: tantivy's mapped ones, synced when a commit needs them and not each by itself.
//!
//! tantivy syncs every file as it ends, and its list of files once for every file: some twenty syncs for a small
//! commit. Here a file is only remembered when it ends; all of them are synced before meta.json names them. The
//! list is not synced at all: what a power loss leaves of it is used if it can be read, and else made anew.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};
use tantivy::Directory;

use crate::place::META;

/// tantivy's list of the files that it has to look after.
const LIST: &str = ".managed.json";

#[derive(Clone, Debug)]
pub struct Files {
    mapped: MmapDirectory,
    folder: PathBuf,
    /// Concurrency: threads of tantivy end files beside each other.
    unsynced: Arc<Mutex<Vec<PathBuf>>>,
}

impl Files {
    pub fn open(folder: &Path) -> Result<Files, OpenDirectoryError> {
        let mapped = MmapDirectory::open(folder)?;
        Ok(Files { mapped, folder: folder.into(), unsynced: Arc::default() })
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// What was merged away meanwhile needs no syncing.
    fn sync_files(&self) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(path) = unsynced.last() {
            match File::open(path) {
                Ok(file) => file.sync_data()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            unsynced.pop();
        }
        Ok(())
    }
}

/// Remembers its file when it is whole.
struct Unsynced {
    file: File,
    path: PathBuf,
    unsynced: Arc<Mutex<Vec<PathBuf>>>,
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
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).push(self.path.clone());
        Ok(())
    }
}

impl Directory for Files {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.mapped.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.mapped.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.mapped.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let full = self.folder.join(path);
        let file = OpenOptions::new().write(true).create_new(true).open(&full).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                OpenWriteError::FileAlreadyExists(path.into())
            } else {
                OpenWriteError::wrap_io_error(error, path.into())
            }
        })?;
        Ok(BufWriter::new(Box::new(Unsynced { file, path: full, unsynced: self.unsynced.clone() })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let bytes = self.mapped.atomic_read(path)?;
        if path == Path::new(LIST) && serde_json::from_slice::<Vec<PathBuf>>(&bytes).is_err() {
            return Err(OpenReadError::FileDoesNotExist(path.into()));
        }
        Ok(bytes)
    }

    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if path == Path::new(LIST) {
            let beside = self.folder.join(".managed.json.new");
            std::fs::write(&beside, bytes)?;
            return std::fs::rename(beside, self.folder.join(LIST));
        }
        if path == Path::new(META) {
            self.sync_files()?;
            self.sync_folder()?;
        }
        self.mapped.atomic_write(path, bytes)?;
        /* The renaming too. */
        self.sync_folder()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.mapped.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.mapped.watch(callback)
    }

    /// Before meta.json is written, and after files were deleted: the first is done above, the second can wait.
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}
