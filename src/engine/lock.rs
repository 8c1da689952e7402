//! One process writes an index folder at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::EngineError;

/// Holds the index folder for this process; released when dropped, or when the process ends in
/// whatever way.
#[derive(Debug)]
pub struct IndexLock {
    _file: File,
}

impl IndexLock {
    /// Takes the lock of `folder`, which must exist.
    ///
    /// # Errors
    /// [`EngineError::Locked`], naming the other process, when it is taken.
    pub fn acquire(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("lock");
        let fault = |source| EngineError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The name of the holder only makes the message better.
                let _ = file.read_to_string(&mut holder);
                return Err(EngineError::Locked {
                    folder: folder.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        // The name only makes the message of the next one better; a full disk must not stop this.
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = IndexLock::acquire(folder.path()).unwrap();
        let error = IndexLock::acquire(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        IndexLock::acquire(folder.path()).unwrap();
    }
}
