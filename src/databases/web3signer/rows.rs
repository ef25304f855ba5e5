//! One transaction over Web3Signer's tables (Flyway, version 12): checked first, then row by row.
//! Must never change anything, and never take a row it does not understand for less than damage.

use std::sync::mpsc::SyncSender;

use postgres::types::FromSqlOwned;
use postgres::{IsolationLevel, NoTls, Row, Transaction};

use super::address::Address;
use super::{BATCH, told};
use crate::databases::{DatabaseError, Format, Found};
use crate::protection::{GenesisRoot, LARGEST_NUMBER, PublicKey, Root, SignedAttestation, SignedBlock};

/// `database_version.version`.
const VERSION: i32 = 12;

/// One row, with the id of its validator.
pub(super) enum Item {
    Key(i32, PublicKey),
    Block(i32, SignedBlock),
    Vote(i32, SignedAttestation),
}

/// Where rows go, in batches. It ends when nobody takes them any more.
type Give = SyncSender<Vec<Item>>;

struct Reading<'a> {
    transaction: Transaction<'a>,
    place: &'a str,
    found: Found,
    give: Give,
}

/// Reads everything, keys first.
pub(super) fn read(address: &Address, give: Give) -> Result<Found, DatabaseError> {
    let place = address.shown.as_str();
    let mut client = address.config.connect(NoTls).map_err(|error| {
        let mut refused = told(place, &error);
        if let DatabaseError::Io { error, .. } = &mut refused {
            // Why there may have been no password.
            for note in &address.notes {
                error.push_str(&format!(" ({note})"));
            }
        }
        refused
    })?;
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .map_err(|error| told(place, &error))?;
    let mut found = Found::new(Format::Web3Signer);
    found.notes.clone_from(&address.notes);
    let mut reading = Reading {
        transaction,
        place,
        found,
        give,
    };
    reading.check_server()?;
    reading.check_version()?;
    reading.metadata()?;
    reading.validators()?;
    reading.blocks()?;
    reading.attestations()?;
    reading.low_watermarks()?;
    Ok(reading.found)
}

impl Reading<'_> {
    /// A standby may lack what was signed last. Others who are connected may sign on.
    fn check_server(&mut self) -> Result<(), DatabaseError> {
        self.transaction
            .batch_execute("SET LOCAL lock_timeout = '10s'")
            .map_err(|error| told(self.place, &error))?;
        let asked = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid() \
                     AND coalesce(backend_type, 'client backend') = 'client backend')";
        let row = self
            .transaction
            .query_one(asked, &[])
            .map_err(|error| told(self.place, &error))?;
        if self.value::<bool>(&row, 0)? {
            return Err(self.unsupported(
                "a standby, which may lag behind".to_owned(),
                "Name the server that Web3Signer writes to",
            ));
        }
        let others: i64 = self.value(&row, 1)?;
        if others > 0 {
            self.found.notes.push(format!(
                "{others} other connections to this database are open: a signer may be alive, and what it signs from \
                 now on is not in this reading"
            ));
        }
        Ok(())
    }

    fn check_version(&mut self) -> Result<(), DatabaseError> {
        let rows = self
            .transaction
            .query("SELECT version FROM database_version WHERE id = 1", &[])
            .map_err(|error| told(self.place, &error))?;
        let version = match rows.first() {
            Some(row) => self.value::<i32>(row, 0)?,
            None => return Err(self.damaged("database_version", "it names no version")),
        };
        if version == VERSION {
            return Ok(());
        }
        Err(self.unsupported(
            format!("its schema is of version {version}, {VERSION} is known"),
            "Export it by `web3signer eth2 export` of the release that made it, or use a newer failover",
        ))
    }

    /// At most one chain. The high watermarks forbid what lies above them, so they are no floors.
    fn metadata(&mut self) -> Result<(), DatabaseError> {
        let rows = self
            .transaction
            .query(
                "SELECT genesis_validators_root, high_watermark_slot::text, high_watermark_epoch::text FROM metadata",
                &[],
            )
            .map_err(|error| told(self.place, &error))?;
        if rows.len() > 1 {
            return Err(self.damaged("metadata", "several rows, where one names the chain"));
        }
        let Some(row) = rows.first() else {
            self.found
                .notes
                .push("no chain is named yet: nothing was signed with this database".to_owned());
            return Ok(());
        };
        let root: Vec<u8> = self.value(row, 0)?;
        let root = <[u8; 32]>::try_from(root)
            .map_err(|_| self.damaged("metadata", "a genesis validators root that is not 32 bytes"))?;
        self.found.genesis_validators_root = Some(GenesisRoot(root));
        for (column, what) in [(1, "blocks of slot"), (2, "attestations of epoch")] {
            let high: Option<String> = self.value(row, column)?;
            if let Some(high) = high {
                let high = self.number("metadata", Some(high), "high watermark")?;
                let note = format!("a high watermark forbids {what} {high} and above");
                self.found.notes.push(note);
            }
        }
        Ok(())
    }

    fn validators(&mut self) -> Result<(), DatabaseError> {
        let mut disabled: u64 = 0;
        self.each(
            "validators",
            "SELECT id, public_key, enabled FROM validators",
            |reading, row| {
                let (id, key): (i32, Vec<u8>) = (reading.value(row, 0)?, reading.value(row, 1)?);
                disabled += u64::from(!reading.value::<bool>(row, 2)?);
                let key = PublicKey::from_bytes(&key)
                    .map_err(|error| reading.damaged("validators", &error.to_string()))?;
                Ok(vec![Item::Key(id, key)])
            },
        )?;
        if disabled > 0 {
            let note = format!("{disabled} keys are disabled; what they signed is read");
            self.found.notes.push(note);
        }
        Ok(())
    }

    fn blocks(&mut self) -> Result<(), DatabaseError> {
        let table = "signed_blocks";
        let asked = "SELECT validator_id, slot::text, signing_root FROM signed_blocks";
        self.each(table, asked, |reading, row| {
            let block = SignedBlock {
                slot: reading.number(table, reading.value(row, 1)?, "slot")?,
                signing_root: reading.root(table, reading.value(row, 2)?)?,
            };
            reading.found.blocks += 1;
            Ok(vec![Item::Block(reading.id(table, row)?, block)])
        })
    }

    fn attestations(&mut self) -> Result<(), DatabaseError> {
        let table = "signed_attestations";
        let asked = "SELECT validator_id, source_epoch::text, target_epoch::text, signing_root FROM signed_attestations";
        self.each(table, asked, |reading, row| {
            let vote = SignedAttestation {
                source_epoch: reading.number(table, reading.value(row, 1)?, "source epoch")?,
                target_epoch: reading.number(table, reading.value(row, 2)?, "target epoch")?,
                signing_root: reading.root(table, reading.value(row, 3)?)?,
            };
            reading.found.attestations += 1;
            Ok(vec![Item::Vote(reading.id(table, row)?, vote)])
        })
    }

    /// What lies below them was signed and pruned: they count as messages whose root is not known.
    fn low_watermarks(&mut self) -> Result<(), DatabaseError> {
        let table = "low_watermarks";
        let asked =
            "SELECT validator_id, slot::text, source_epoch::text, target_epoch::text FROM low_watermarks";
        self.each(table, asked, |reading, row| {
            let id = reading.id(table, row)?;
            let mut items = Vec::new();
            if let Some(slot) = reading.value::<Option<String>>(row, 1)? {
                reading.found.blocks += 1;
                let slot = reading.number(table, Some(slot), "slot")?;
                items.push(Item::Block(
                    id,
                    SignedBlock {
                        slot,
                        signing_root: None,
                    },
                ));
            }
            let epochs = (
                reading.value::<Option<String>>(row, 2)?,
                reading.value::<Option<String>>(row, 3)?,
            );
            if epochs != (None, None) {
                reading.found.attestations += 1;
                let vote = SignedAttestation {
                    source_epoch: reading.number(table, epochs.0, "source epoch")?,
                    target_epoch: reading.number(table, epochs.1, "target epoch")?,
                    signing_root: None,
                };
                items.push(Item::Vote(id, vote));
            }
            Ok(items)
        })
    }

    /// Goes through the rows as they come from the server.
    fn each(
        &mut self,
        table: &str,
        asked: &str,
        mut decode: impl FnMut(&mut Self, &Row) -> Result<Vec<Item>, DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let place = format!("{}, table {table}", self.place);
        let portal = self
            .transaction
            .bind(asked, &[])
            .map_err(|error| told(&place, &error))?;
        loop {
            let rows = self
                .transaction
                .query_portal(&portal, i32::try_from(BATCH).unwrap_or(1))
                .map_err(|error| told(&place, &error))?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = Vec::new();
            for row in &rows {
                batch.append(&mut decode(self, row)?);
            }
            self.give
                .send(batch)
                .map_err(|_| DatabaseError::io(&place, &"nobody takes the rows any more"))?;
        }
    }

    fn id(&self, table: &str, row: &Row) -> Result<i32, DatabaseError> {
        self.value::<Option<i32>>(row, 0)?
            .ok_or_else(|| self.damaged(table, "a row that refers to no validator"))
    }

    fn value<T: FromSqlOwned>(&self, row: &Row, column: usize) -> Result<T, DatabaseError> {
        row.try_get(column).map_err(|error| {
            let what = format!("column {}: {error}", column + 1);
            DatabaseError::damaged(self.place, what)
        })
    }

    /// NUMERIC(20), as text.
    fn number(&self, table: &str, text: Option<String>, what: &str) -> Result<u64, DatabaseError> {
        let text = text.ok_or_else(|| self.damaged(table, &format!("a row without {what}")))?;
        let number = text.parse().ok().filter(|number| *number <= LARGEST_NUMBER);
        number.ok_or_else(|| {
            let what = format!("{what} {} is out of range", super::shown(text.as_bytes()));
            self.damaged(table, &what)
        })
    }

    /// 32 bytes; NULL or nothing is unknown.
    fn root(&self, table: &str, bytes: Option<Vec<u8>>) -> Result<Option<Root>, DatabaseError> {
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
            return Ok(None);
        };
        let length = bytes.len();
        let root = <[u8; 32]>::try_from(bytes)
            .map_err(|_| self.damaged(table, &format!("a signing root of {length} bytes")))?;
        Ok(Root::known(root))
    }

    fn damaged(&self, table: &str, what: &str) -> DatabaseError {
        DatabaseError::damaged(format!("{}, table {table}", self.place), what)
    }

    fn unsupported(&self, what: String, remedy: &str) -> DatabaseError {
        DatabaseError::Unsupported {
            place: self.place.to_owned(),
            what,
            remedy: remedy.to_owned(),
        }
    }
}
