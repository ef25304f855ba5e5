//! Writes an output file: beside it first, synced, then renamed, mode 0600. Must never write over a file that is there,
//! nor leave half of one under the final name.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use super::Failure;

/// Stores what `fill` writes.
///
/// # Errors
/// Exit 2 when the directory is not there or the file is; nothing has been written then.
pub fn store(output: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let parent = output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent)
        .map_err(|error| Failure::usage(format!("{}: {error}", parent.display())))?;
    let mut buffered = BufWriter::new(&mut file);
    fill(&mut buffered)
        .and_then(|()| buffered.flush())
        .context("writing the output")?;
    drop(buffered);
    file.as_file().sync_all().context("writing the output")?;
    file.persist_noclobber(output).map_err(|error| {
        Failure::usage(format!(
            "{}: {}; nothing was written. Name a file that does not exist",
            output.display(),
            error.error
        ))
    })?;
    std::fs::File::open(parent)
        .and_then(|parent| parent.sync_all())
        .context("syncing the directory")?;
    Ok(())
}

/// Says early, before anything large is read, that the output cannot be written.
pub fn must_not_exist(output: &Path) -> Result<(), Failure> {
    match std::fs::symlink_metadata(output) {
        Ok(_) => Err(Failure::usage(format!(
            "{}: File exists; nothing was written. Name a file that does not exist",
            output.display()
        ))),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a file which came to be there meanwhile is left alone, and nothing is left beside it; nor when writing
    /// fails.
    #[test]
    fn nothing_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("out.json");
        assert!(store(&output, |_| Err(std::io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(must_not_exist(&output).is_ok());
        store(&output, |out| out.write_all(b"first")).unwrap();
        assert!(store(&output, |out| out.write_all(b"second")).is_err());
        assert!(must_not_exist(&output).is_err());
        assert_eq!(std::fs::read(&output).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
