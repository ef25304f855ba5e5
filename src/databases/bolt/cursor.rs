//! Goes over the elements of a bucket in the order of their keys, or to the first one from a key on. One page of each
//! level is held. Must never go below a page whose keys do not lie between those of its parent.

use super::super::{DatabaseError, ReadAt};
use super::meta::u64_at;
use super::page::Page;
use super::{Bolt, Bucket};

/// Levels of a tree. A branch has at least two children, so 2^32 pages never need more.
const DEEPEST: usize = 32;
/// Bytes of a bucket's own value: root page u64, sequence u64.
const BUCKET_HEADER: usize = 16;

/// See the module.
pub struct Cursor<'b, 'a, R: ReadAt + ?Sized> {
    bolt: &'b Bolt<'a, R>,
    stack: Vec<Frame>,
    /// Where to begin when the stack is empty and nothing was read yet.
    start: Option<u64>,
    root: Option<u64>,
    claim: bool,
}

/// A page on the way from the root to the present element.
struct Frame {
    page: Page,
    /// The next element to go to.
    next: usize,
    /// The first key that may lie here.
    lower: Option<Vec<u8>>,
    /// The first key that may not.
    upper: Option<Vec<u8>>,
}

/// One element.
pub struct Entry<'c> {
    /// Its key.
    pub key: &'c [u8],
    /// Its value.
    pub value: Value<'c>,
}

/// What stands under a key.
pub enum Value<'c> {
    /// Bytes.
    Bytes(&'c [u8]),
    /// A bucket.
    Bucket(Bucket),
}

impl<'b, 'a, R: ReadAt + ?Sized> Cursor<'b, 'a, R> {
    /// Stands before the first element. With `claim` it claims the pages it comes to.
    pub(super) fn new(
        bolt: &'b Bolt<'a, R>,
        bucket: &Bucket,
        claim: bool,
    ) -> Result<Cursor<'b, 'a, R>, DatabaseError> {
        let mut cursor = Cursor {
            bolt,
            stack: Vec::new(),
            start: None,
            root: None,
            claim,
        };
        match bucket {
            Bucket::Paged(page) => (cursor.start, cursor.root) = (Some(*page), Some(*page)),
            Bucket::Inline(image) => {
                let page = Page::inline(image).map_err(|what| bolt.damaged(what))?;
                cursor.stack.push(Frame {
                    page,
                    next: 0,
                    lower: None,
                    upper: None,
                });
            }
        }
        Ok(cursor)
    }

    /// The next element, `None` behind the last.
    ///
    /// # Errors
    /// A page on the way is damaged.
    #[allow(
        clippy::should_implement_trait,
        reason = "what it returns borrows from the cursor"
    )]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, DatabaseError> {
        if let Some(root) = self.start.take() {
            self.descend(root, None, None)?;
        }
        if !self.settle()? {
            return Ok(None);
        }
        let Some(frame) = self.stack.last_mut() else {
            return Ok(None);
        };
        let index = frame.next;
        frame.next += 1;
        let (Some(key), Some((value, bucket))) = (frame.page.key(index), frame.page.value(index)) else {
            return Ok(None);
        };
        let value = if bucket {
            Value::Bucket(below(value).map_err(|what| self.bolt.damaged(what))?)
        } else {
            Value::Bytes(value)
        };
        Ok(Some(Entry { key, value }))
    }

    /// Goes where [`Cursor::next`] returns the first element whose key is not below this one.
    ///
    /// # Errors
    /// A page on the way is damaged.
    pub fn seek(&mut self, key: &[u8]) -> Result<(), DatabaseError> {
        while let Some(frame) = self.stack.last() {
            let starts = frame.lower.as_deref().is_none_or(|lower| lower <= key);
            let ends = frame.upper.as_deref().is_none_or(|upper| key < upper);
            if starts && ends {
                break;
            }
            self.stack.pop();
        }
        if let Some(root) = self.root
            && self.stack.is_empty()
        {
            self.start = None;
            self.descend(root, None, None)?;
        }
        while let Some(frame) = self.stack.last_mut() {
            let below = frame.page.below(key);
            if frame.page.leaf {
                frame.next = below;
                break;
            }
            // The child that may hold the key begins at or below it.
            frame.next = if frame.page.key(below) == Some(key) {
                below
            } else {
                below.saturating_sub(1)
            };
            self.enter()?;
        }
        Ok(())
    }

    /// The value under a key, if it is there and no bucket.
    ///
    /// # Errors
    /// A page on the way is damaged.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, DatabaseError> {
        self.seek(key)?;
        Ok(match self.next()? {
            Some(Entry {
                key: found,
                value: Value::Bytes(value),
            }) if found == key => Some(value),
            Some(_) | None => None,
        })
    }

    /// Goes on until the top of the stack is a leaf with an element left; false at the end.
    fn settle(&mut self) -> Result<bool, DatabaseError> {
        while let Some(frame) = self.stack.last() {
            if frame.next >= frame.page.count() {
                // The root stays, so that a search can begin again.
                if self.stack.len() == 1 {
                    return Ok(false);
                }
                self.stack.pop();
            } else if frame.page.leaf {
                return Ok(true);
            } else {
                self.enter()?;
            }
        }
        Ok(false)
    }

    /// Goes into the next child of the branch on top of the stack.
    fn enter(&mut self) -> Result<(), DatabaseError> {
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        let lower = frame.page.key(frame.next).map(<[u8]>::to_vec);
        let upper = frame.page.key(frame.next + 1).map(<[u8]>::to_vec);
        let upper = upper.or_else(|| frame.upper.clone());
        let child = frame.page.child(frame.next).unwrap_or_default();
        frame.next += 1;
        self.descend(child, lower, upper)
    }

    fn descend(
        &mut self,
        id: u64,
        lower: Option<Vec<u8>>,
        upper: Option<Vec<u8>>,
    ) -> Result<(), DatabaseError> {
        if self.stack.len() >= DEEPEST {
            return Err(self
                .bolt
                .damaged(format!("page {id} lies more than {DEEPEST} levels deep")));
        }
        let page = self.bolt.page(id, self.claim)?;
        let (first, last) = (
            page.key(0),
            page.count().checked_sub(1).and_then(|last| page.key(last)),
        );
        // An emptied bucket is written inline, an emptied page is given back: only a file without buckets has one.
        let empty = page.count() == 0 && id != self.bolt.meta.root;
        let before = lower.is_some() && first < lower.as_deref();
        let behind = upper.is_some() && last >= upper.as_deref();
        if empty || before || behind {
            return Err(self.bolt.damaged(format!(
                "page {id}: its keys do not lie where the page above it says"
            )));
        }
        self.stack.push(Frame {
            page,
            next: 0,
            lower,
            upper,
        });
        Ok(())
    }
}

/// Reads the value that stands for a bucket.
fn below(value: &[u8]) -> Result<Bucket, String> {
    let root = u64_at(value, 0).unwrap_or_default();
    match (root, value.get(BUCKET_HEADER..)) {
        (0, Some(image)) => Ok(Bucket::Inline(image.to_vec())),
        (page, Some([])) => Ok(Bucket::Paged(page)),
        (_, Some(_) | None) => Err(format!("a bucket's value has {} bytes", value.len())),
    }
}
