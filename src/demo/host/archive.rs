//! Work directories, files put there, and the verified copy of the old database, on a simulated host.
//! A complete copy is never overwritten, as in `remote.sh`.

use serde_json::json;

use super::client::without_newest;
use super::files::{parent, unbase64};
use super::{Around, DATA_DIR, DATABASE, STATE, SimHost, done, failed};
use crate::demo::chain::sha256_hex;
use crate::demo::database::Records;
use crate::demo::leveldb;
use crate::transport::Output;

impl SimHost {
    pub(super) fn work_dir(&mut self, run: &str) -> Output {
        if let Some(why) = self.unwritable() {
            return why;
        }
        let path = format!("{STATE}/work/{run}");
        self.files.make_directory(&path);
        done(path + "\n")
    }

    pub(super) fn clear_work(&mut self, run: &str) -> Output {
        if is_unsafe_name(run) {
            return failed(2, "");
        }
        if let Some(why) = self.unwritable().filter(|_| self.quirks.read_only) {
            return why;
        }
        // The run's own directory, and those of its exports: RUN and RUN.*
        let (own, others) = (format!("{STATE}/work/{run}"), format!("{STATE}/work/{run}."));
        let cleared =
            |path: &str| path == own || path.starts_with(&format!("{own}/")) || path.starts_with(&others);
        self.files.remove_all(cleared);
        self.copies.retain(|path, _| !cleared(path));
        for directory in [format!("{STATE}/work"), STATE.to_owned()] {
            self.files.remove_empty_directory(&directory);
        }
        done("")
    }

    pub(super) fn copy(&mut self, run: &str, path: &str) -> Output {
        if is_unsafe_name(run) {
            return failed(2, "");
        }
        if !self.is_database(path) && !self.files.exists(path) {
            return done("copy=absent\n");
        }
        if let Some(why) = self.unwritable() {
            return why;
        }
        let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let to = format!("{STATE}/work/{run}/{base}");
        if !self.files.has_directory(parent(&to)) {
            return failed(
                1,
                format!("cp: cannot create directory '{to}': No such file or directory\n"),
            );
        }
        self.files.remove_tree(&to);
        match self.copy_tree(path, &to) {
            Ok(()) => done(format!("copy={to}\n")),
            Err(why) => failed(1, why + "\n"),
        }
    }

    /// The database as the client keeps it on disk, packed.
    pub(super) fn pack(&mut self, around: Around<'_>, id: &str, path: &str, limit: &str) -> Output {
        if is_unsafe_name(id) {
            return failed(2, "");
        }
        if !self.is_database(path) {
            return done("pack=absent\n");
        }
        if let Some(why) = self.unwritable() {
            return why;
        }
        let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let packed = self.database.records().and_then(|mut records| {
            if self.quirks.pack_lacks_newest {
                without_newest(&mut records);
            }
            leveldb::packed(
                base,
                &records,
                &around.chain.genesis_validators_root,
                self.quirks.database_damaged,
            )
        });
        let file = format!("{STATE}/work/{id}/pack.tar.gz");
        self.files.make_directory(parent(&file));
        match packed.and_then(|packed| self.files.write(&file, packed)) {
            Ok(()) => {
                let got = self.get(&file, limit);
                done(format!("pack={file}\n{}", got.stdout))
            }
            Err(why) => failed(4, why + "\n"),
        }
    }

    /// `cp -a`, of the database or of a file.
    fn copy_tree(&mut self, path: &str, to: &str) -> Result<(), String> {
        if !self.is_database(path) {
            let content = self.files.read(path).unwrap_or_default().to_vec();
            return self.files.write(to, content);
        }
        let records = self.database.records()?;
        self.copies.insert(to.to_owned(), records);
        self.files.make_directory(to);
        Ok(())
    }

    pub(super) fn put(&mut self, run: &str, name: &str, sha256: &str, base64: &str) -> Output {
        if is_unsafe_name(run) || is_unsafe_name(name) {
            return failed(2, "");
        }
        if let Some(why) = self.unwritable() {
            return why;
        }
        let Some(content) = unbase64(base64) else {
            return failed(1, "base64: invalid input\n");
        };
        if sha256_hex(&content) != sha256 {
            return failed(4, "what arrived does not have the hash that was sent\n");
        }
        let path = format!("{STATE}/work/{run}/{name}");
        match self.files.write(&path, content) {
            Ok(()) => done(format!("path={path}\nsha256={sha256}\n")),
            Err(why) => failed(2, why + "\n"),
        }
    }

    pub(super) fn archive(&mut self, run: &str, path: &str) -> Output {
        if is_unsafe_name(run) {
            return failed(2, "");
        }
        if !self.is_database(path) && !self.files.exists(path) {
            return done("archive=absent\n");
        }
        if let Some(why) = self.unwritable() {
            return why;
        }
        let newest = self.newest(run);
        let was = self.sums_of(path);
        if let Some(to) = &newest
            && self.files.text(&format!("{to}/sums")).as_ref() == Some(&was)
        {
            return self.archived(to);
        }
        let number = newest
            .and_then(|to| to.rsplit('/').next()?.parse::<u32>().ok())
            .unwrap_or(0)
            + 1;
        let to = format!("{STATE}/archive/{run}/{number}");
        self.files.make_directory(&to);
        if let Err(why) = self.copy_to_archive(path, &to, &format!("{to}/old")) {
            return failed(1, why + "\n");
        }
        self.archived(&to)
    }

    /// The newest complete copy of a run.
    fn newest(&self, run: &str) -> Option<String> {
        (1..)
            .map(|number| format!("{STATE}/archive/{run}/{number}"))
            .take_while(|to| self.files.exists(&format!("{to}/complete")))
            .last()
    }

    fn archived(&self, to: &str) -> Output {
        let (copy, sums) = (
            format!("{to}/old"),
            self.files.text(&format!("{to}/sums")).unwrap_or_default(),
        );
        if self.sums_of(&copy) != sums {
            return failed(
                4,
                format!("the archived copy in {to} does not match its hashes\n"),
            );
        }
        done(format!(
            "archive={copy}\nsha256={}\n",
            sha256_hex(sums.as_bytes())
        ))
    }

    fn copy_to_archive(&mut self, path: &str, to: &str, copy: &str) -> Result<(), String> {
        self.copy_tree(path, copy)?;
        let sums = self.sums_of(copy);
        self.files.write(&format!("{to}/sums"), sums)?;
        self.files.write(&format!("{to}/complete"), "")
    }

    pub(super) fn put_back(&mut self, run: &str, path: &str, unit: &str, lock: &str) -> Output {
        if is_unsafe_name(run) {
            return failed(2, "");
        }
        let Some(from) = self.newest(run) else {
            return failed(4, format!("no verified copy of run {run}\n"));
        };
        let checked = [self.archived(&from), self.stands(unit, lock), self.mine(run)];
        if let Some(why) = checked.into_iter().find(|output| output.status != 0) {
            return why;
        }
        let copy = format!("{from}/old");
        if Some(self.sums_of(path)) == self.files.text(&format!("{from}/sums")) {
            return done("put_back=same\n");
        }
        let put_back = match self.copies.get(&copy).cloned() {
            Some(records) => self.database.replace(records),
            None => {
                let content = self.files.read(&copy).unwrap_or_default().to_vec();
                self.files.write(path, content)
            }
        };
        match put_back {
            Ok(()) => done("put_back=yes\n"),
            Err(why) => failed(1, why + "\n"),
        }
    }

    /// Whether this run's claim lies here.
    pub(super) fn mine(&self, run: &str) -> Output {
        let claim = self
            .files
            .text(&format!("{STATE}/claim.json"))
            .unwrap_or_default();
        if claim.contains(&format!("\"run\":\"{run}\"")) {
            done("")
        } else {
            failed(9, format!("run {run} holds no claim on this host\n"))
        }
    }

    /// A hash that changes when anything is written to the database.
    pub(super) fn fingerprint(&self, path: &str) -> Output {
        if self.is_database(path) {
            done(format!("fingerprint={}\n", sha256_hex(&self.database_bytes())))
        } else {
            done("fingerprint=absent\n")
        }
    }

    /// Whether the database still has this fingerprint.
    pub(super) fn unchanged(&self, path: &str, fingerprint: &str) -> Output {
        if self.fingerprint(path).stdout == format!("fingerprint={fingerprint}\n") {
            return done("");
        }
        failed(
            9,
            format!("{path} is not as it was when it was collected: something has written to it since\n"),
        )
    }

    /// As the script's `fo_sums`: a line per file below a directory, or one for a file.
    fn sums_of(&self, path: &str) -> String {
        if self.is_database(path) {
            return format!("{}  ./000003.log\n", sha256_hex(&self.database_bytes()));
        }
        match self.copies.get(path) {
            Some(records) => format!("{}  ./000003.log\n", sha256_hex(&bytes_of(records))),
            None => format!("{}  -\n", sha256_hex(self.files.read(path).unwrap_or_default())),
        }
    }

    fn is_database(&self, path: &str) -> bool {
        path.trim_end_matches('/') == DATABASE || path.trim_end_matches('/') == DATA_DIR
    }

    /// The database as bytes, for sizes and hashes.
    pub(super) fn database_bytes(&self) -> Vec<u8> {
        self.database
            .records()
            .map(|records| bytes_of(&records))
            .unwrap_or_default()
    }

    /// The bytes that a fetch of a path brings: a file's content. None: no such file.
    pub fn fetchable(&self, path: &str) -> Option<Vec<u8>> {
        self.files.read(path).map(<[u8]>::to_vec)
    }
}

/// A name that could leave its directory.
fn is_unsafe_name(name: &str) -> bool {
    name.is_empty() || name.contains('/') || name.starts_with('.')
}

fn bytes_of(records: &Records) -> Vec<u8> {
    let keys: Vec<serde_json::Value> = records
        .iter()
        .map(|(key, record)| json!([key, record.blocks, record.attestations, record.lower_bound]))
        .collect();
    json!(keys).to_string().into_bytes()
}
