//! A bolt file (bbolt, the database of Prysm and Qrysm) read page by page: any page size from 4 to 64 KiB, nested and
//! inline buckets, overflow pages. Pure over bytes; one page of each level is held, and one bit for each page.
//! Bolt keeps no checksum of its data, so every redundancy of the format is checked instead: a page says its own number,
//! elements lie back to back, keys ascend, children stay between their parents' keys, and every page of the file is used
//! exactly once or listed as free. Must never skip what does not fit: a lost page is a lost history.

mod claims;
mod cursor;
mod meta;
mod page;

use std::cell::RefCell;

pub use cursor::{Cursor, Entry, Value};
pub use meta::{LARGEST_PAGE, SMALLEST_PAGE};

use claims::Claims;
use meta::Meta;
use page::Page;

use super::{DatabaseError, ReadAt};

/// The most pages of a file that is read: 1 TiB of 4 KiB pages. What is held for a file is one bit for each.
const MOST_PAGES: u64 = 1 << 28;

/// An open bolt file at the state of its newest whole transaction.
pub struct Bolt<'a, R: ReadAt + ?Sized> {
    file: &'a R,
    place: &'a str,
    meta: Meta,
    claims: RefCell<Claims>,
}

/// Where the elements of a bucket lie.
#[derive(Clone, Debug)]
pub enum Bucket {
    /// On a page of their own, by its number.
    Paged(u64),
    /// In the value that stands for the bucket: small buckets.
    Inline(Vec<u8>),
}

impl<'a, R: ReadAt + ?Sized> Bolt<'a, R> {
    /// Finds the newest state.
    ///
    /// # Errors
    /// A meta page is damaged, the file is shorter than its newest state, or it is larger than 2^28 pages.
    pub fn open(file: &'a R, place: &'a str) -> Result<Bolt<'a, R>, DatabaseError> {
        let length = file.length().map_err(|error| DatabaseError::io(place, &error))?;
        let meta = meta::newest(file, place, length)?;
        let bytes = meta.pages.checked_mul(meta.page_size);
        if bytes.is_none_or(|bytes| bytes > length) {
            let what = format!(
                "its newest state has {} pages of {} bytes, the file only {length} bytes: it is cut off",
                meta.pages, meta.page_size
            );
            return Err(DatabaseError::damaged(place, what));
        }
        if meta.pages > MOST_PAGES {
            return Err(DatabaseError::Unsupported {
                place: place.to_owned(),
                what: format!("{} pages, more than {MOST_PAGES} are not read", meta.pages),
                remedy: "Compact a copy of it with `bbolt compact`, and read that".to_owned(),
            });
        }
        let mut claims = Claims::new(meta.pages);
        claims
            .claim(0, 2)
            .map_err(|what| DatabaseError::damaged(place, what))?;
        Ok(Bolt {
            file,
            place,
            meta,
            claims: RefCell::new(claims),
        })
    }

    /// The bucket of all buckets.
    pub fn root(&self) -> Bucket {
        Bucket::Paged(self.meta.root)
    }

    /// True when no transaction was ever written: a file that was created and not used.
    pub fn never_written(&self) -> bool {
        self.meta.transaction <= 1
    }

    /// Walks over a bucket from its first key to its last. Each bucket is walked exactly once, see [`Bolt::finish`];
    /// a second walk over the same pages is an error.
    ///
    /// # Errors
    /// The inline bucket is damaged. (Pages are read when they are come to.)
    pub fn walk(&self, bucket: &Bucket) -> Result<Cursor<'_, 'a, R>, DatabaseError> {
        Cursor::new(self, bucket, true)
    }

    /// Looks up single keys of a bucket, as often as one likes.
    ///
    /// # Errors
    /// As [`Bolt::walk`].
    pub fn search(&self, bucket: &Bucket) -> Result<Cursor<'_, 'a, R>, DatabaseError> {
        Cursor::new(self, bucket, false)
    }

    /// Walks over a bucket and all below it for the sake of [`Bolt::finish`], and returns how many values it holds.
    ///
    /// # Errors
    /// A page is damaged, or buckets lie in each other more than 16 deep.
    pub fn pass(&self, bucket: &Bucket) -> Result<u64, DatabaseError> {
        self.pass_below(bucket, 16)
    }

    fn pass_below(&self, bucket: &Bucket, depth: u32) -> Result<u64, DatabaseError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.damaged("buckets lie in each other too deeply"));
        };
        let mut values: u64 = 0;
        let mut walk = self.walk(bucket)?;
        while let Some(entry) = walk.next()? {
            let below = match entry.value {
                Value::Bytes(_) => 1,
                Value::Bucket(below) => self.pass_below(&below, depth)?,
            };
            values = values.saturating_add(below);
        }
        Ok(values)
    }

    /// Checks that every page was walked over exactly once or is listed as free: no page, and so no key, was lost from
    /// sight. Every bucket must have been walked.
    ///
    /// # Errors
    /// A page is neither used nor free, or both; the list of free pages is damaged, or was not written.
    pub fn finish(&self) -> Result<(), DatabaseError> {
        let Some(list) = self.meta.free_list else {
            return Err(DatabaseError::Unsupported {
                place: self.place.to_owned(),
                what: "it was written without a list of free pages, so nothing shows that no page is lost"
                    .to_owned(),
                remedy: "Prysm and Qrysm write that list. Use the client's own export".to_owned(),
            });
        };
        self.claims
            .borrow_mut()
            .free(self.file, &self.meta, list)
            .map_err(|what| self.damaged(what))?;
        match self.claims.borrow().first_unclaimed() {
            None => Ok(()),
            Some(page) => Err(self.damaged(format!(
                "page {page} is neither used nor free: a part of the data is not reached"
            ))),
        }
    }

    fn page(&self, id: u64, claim: bool) -> Result<Page, DatabaseError> {
        let damaged = |what| DatabaseError::damaged(format!("{}: page {id}", self.place), what);
        let page = Page::read(self.file, &self.meta, id).map_err(damaged)?;
        if claim {
            self.claims.borrow_mut().claim(id, page.span).map_err(damaged)?;
        }
        Ok(page)
    }

    fn damaged(&self, what: impl Into<String>) -> DatabaseError {
        DatabaseError::damaged(self.place, what)
    }
}
