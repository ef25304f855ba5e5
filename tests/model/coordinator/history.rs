//! History behind the fence, as `perform/{collect,history}.rs` ask for it. Must never import what was not merged.

use failover::protocol::Event;

use super::Work;
use crate::mutants::Weak;
use crate::physics::Said;
use crate::world::{Batch, Flaw};

impl<'a> Work<'a> {
    /// Both hosts are asked side by side; the backup's answer is judged first.
    pub(super) fn collect(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        if self.me().at == 0 {
            let said = self.change(backup, Batch::Archive);
            let db = self.world.hosts[backup].db;
            match said {
                Some(Said::NoClaim) => return self.learn(Event::ClaimLost),
                Some(Said::NoStand) => return self.learn(Event::BackupHasRun),
                None => self.mine().note = 1,
                Some(_) if self.ran_before(db) => return self.learn(Event::BackupHasRun),
                Some(_) => self.mine().history = Some(([0; 2], db)),
            }
            return self.go(1);
        }
        let said = self.change(primary, Batch::Pack);
        match said {
            _ if self.me().note == 1 => self.learn(Event::LineLost),
            None => self.learn(Event::LineLost),
            Some(Said::NoClaim) => self.learn(Event::ClaimLost),
            Some(Said::NoStand) => self.learn(Event::SeenAlive),
            Some(_) if self.world.flaw == Flaw::Damaged => self.learn(Event::CollectFailed),
            Some(_) => {
                let ours = self.world.hosts[primary].db;
                let theirs = self.me().history.map_or([0; 2], |(_, theirs)| theirs);
                let me = self.mine();
                (me.history, me.print) = (Some((ours, theirs)), Some(ours));
                me.backup_print = Some(theirs);
                self.learn(Event::Collected);
            }
        }
    }

    /// Whether the backup's database is not as this run left it: other than when it was last looked at, or, where that is
    /// not known, higher than all that this run could have put there.
    pub(super) fn ran_before(&self, db: [u8; 2]) -> bool {
        let me = self.me();
        let touched = me.backup_print.is_some_and(|print| print != db);
        let bound = me.merged.filter(|_| me.backup_print.is_none());
        let higher = bound.is_some_and(|bound| db.iter().zip(bound).any(|(floor, bound)| *floor > bound));
        (touched || higher) && !self.knobs.weak(Weak::NoBackupPrint)
    }

    pub(super) fn merge(&mut self) {
        let Some((ours, theirs)) = self.me().history else {
            return self.learn(Event::MergeRefused);
        };
        if self.world.flaw == Flaw::Slashable {
            return self.learn(Event::MergeRefused);
        }
        let (merged, _) = self.judge.merged(ours, theirs);
        self.mine().merged = Some(if self.knobs.weak(Weak::NoMerge) {
            ours
        } else {
            merged
        });
        self.learn(Event::FloorsMerged);
    }

    pub(super) fn import(&mut self) {
        let backup = self.me().backup();
        let Some((ours, theirs)) = self.me().history else {
            return self.learn(Event::ImportFailed);
        };
        if self.me().at == 1 {
            return self.put_back(Event::ImportFailed);
        }
        let (_, mut document) = self.judge.merged(ours, theirs);
        if self.knobs.weak(Weak::NoMerge) {
            document = ours;
        }
        if document == [0; 2] {
            return self.learn(Event::Imported);
        }
        let into = self.mine().backup_print.take().unwrap_or_default();
        match self.held(backup, Batch::Import { document, into }) {
            None => {}
            Some(Said::NoStand) => self.learn(Event::BackupHasRun),
            Some(Said::Failed) => self.go(1),
            Some(_) => {
                let host = self.world.hosts[backup];
                self.learn(Event::Imported);
                self.mine().read_back = Some((host.db, host.boot));
                self.mine().backup_print = Some(host.db);
            }
        }
    }

    pub(super) fn put_back(&mut self, event: Event) {
        let backup = self.me().backup();
        self.mine().backup_print = None;
        if self.held(backup, Batch::PutBack).is_some() {
            self.mine().backup_print = Some(self.world.hosts[backup].db);
            self.learn(event);
        }
    }

    pub(super) fn read_back(&mut self) {
        let backup = self.me().backup();
        if self.me().at == 1 {
            return self.put_back(Event::ReadBackFails);
        }
        if self.me().read_back.is_none() {
            if !self.look(backup) {
                return self.learn(Event::LineLost);
            }
            let host = self.world.hosts[backup];
            self.mine().read_back = Some((host.db, host.boot));
        }
        let found = self.me().read_back.map_or([0; 2], |(floors, _)| floors);
        let merged = self.me().merged.unwrap_or([u8::MAX; 2]);
        if self.knobs.weak(Weak::NoReadBack) || self.judge.covers(merged, found) {
            self.learn(Event::ReadBackCovers);
        } else {
            self.mine().read_back = None;
            self.go(1);
        }
    }
}
