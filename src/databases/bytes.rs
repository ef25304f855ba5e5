//! Bytes at an offset and files in a directory, on disk or in memory, so that decoders are pure over either. Reads
//! only, and only what lies directly in the directory: no links are followed out of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::DatabaseError;

/// Bytes that can be read anywhere.
pub trait ReadAt {
    /// Length in bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn length(&self) -> std::io::Result<u64>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// The operating system's; `UnexpectedEof` when the bytes end before the buffer is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()>;
}

impl ReadAt for [u8] {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let from = usize::try_from(offset).ok();
        let source = from
            .and_then(|from| self.get(from..)?.get(..buffer.len()))
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(source);
        Ok(())
    }
}

impl ReadAt for File {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// The files of one directory.
pub trait Directory {
    /// For messages.
    fn place(&self) -> String;

    /// Names of the regular files directly in it, sorted.
    ///
    /// # Errors
    /// It cannot be listed, or a name is not UTF-8.
    fn names(&self) -> Result<Vec<String>, DatabaseError>;

    /// One of its files.
    ///
    /// # Errors
    /// It cannot be opened, or is no regular file.
    fn open(&self, name: &str) -> Result<Box<dyn ReadAt + '_>, DatabaseError>;

    /// A whole small file.
    ///
    /// # Errors
    /// It cannot be read, or is larger than `limit` bytes.
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, DatabaseError> {
        let place = format!("{}/{name}", self.place());
        let file = self.open(name)?;
        let length = file.length().map_err(|error| DatabaseError::io(&place, &error))?;
        if length > limit {
            return Err(DatabaseError::damaged(
                &place,
                format!("{length} bytes, at most {limit} are expected"),
            ));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_at(0, &mut bytes)
            .map_err(|error| DatabaseError::io(&place, &error))?;
        Ok(bytes)
    }
}

/// A directory of this machine: a private copy.
#[derive(Debug, Clone)]
pub struct OnDisk(pub PathBuf);

impl OnDisk {
    /// Opens a regular file for reading. A link, a pipe or a device is refused, and nothing is waited for.
    ///
    /// # Errors
    /// It cannot be opened, or is no regular file.
    pub fn file(path: &Path) -> Result<File, DatabaseError> {
        let place = || path.display().to_string();
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
            .open(path)
            .map_err(|error| DatabaseError::io(place(), &error))?;
        let kind = file
            .metadata()
            .map_err(|error| DatabaseError::io(place(), &error))?;
        if kind.is_file() {
            Ok(file)
        } else {
            Err(DatabaseError::io(place(), &"not a regular file"))
        }
    }
}

impl Directory for OnDisk {
    fn place(&self) -> String {
        self.0.display().to_string()
    }

    fn names(&self) -> Result<Vec<String>, DatabaseError> {
        let failed = |error: std::io::Error| DatabaseError::io(self.place(), &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_file() {
                let name = entry.file_name().into_string().map_err(|name| {
                    DatabaseError::damaged(
                        self.place(),
                        format!("a file name is not UTF-8: {}", name.display()),
                    )
                })?;
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn ReadAt + '_>, DatabaseError> {
        Ok(Box::new(OnDisk::file(&self.0.join(name))?))
    }
}

/// Files held in memory: tests, fuzzing.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl Directory for Memory {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn names(&self) -> Result<Vec<String>, DatabaseError> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn ReadAt + '_>, DatabaseError> {
        let place = || format!("memory/{name}");
        let bytes = self
            .0
            .get(name)
            .ok_or_else(|| DatabaseError::io(place(), &"not found"))?;
        Ok(Box::new(Slice(bytes)))
    }
}

struct Slice<'a>(&'a [u8]);

impl ReadAt for Slice<'_> {
    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        ReadAt::read_at(self.0, offset, buffer)
    }
}
