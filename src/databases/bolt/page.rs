//! One page of a bolt file with its overflow, or the page image of an inline bucket: its elements, each checked to lie
//! where bolt puts it. Must never return an element of a page that has a wrong one.

use std::ops::Range;

use super::super::ReadAt;
use super::meta::{HEADER, Meta, u16_at, u32_at, u64_at};

const BRANCH_FLAG: u16 = 0x01;
const LEAF_FLAG: u16 = 0x02;
/// Of a leaf element: its value is a bucket.
const BUCKET_FLAG: u32 = 0x01;
/// Bytes that stand for an element in front of all keys and values.
const ELEMENT: usize = 16;
/// bolt's own limit, in bytes.
const LONGEST_KEY: u32 = 32768;
/// A page that is longer than one has at most four elements, else bolt splits it.
const MOST_ON_OVERFLOW: usize = 4;
/// The most bytes of one leaf that are held. The largest values known are Prysm's old attestation rings of 2.2 MB.
const LARGEST_LEAF: u64 = 32 << 20;
/// The same of a branch, which holds keys only.
const LARGEST_BRANCH: u64 = 1 << 20;

/// A page whose elements were all found sound.
#[derive(Debug)]
pub struct Page {
    /// How many pages of the file it takes; 0 when it is inline.
    pub span: u64,
    /// Its elements are values and buckets; else they are pages.
    pub leaf: bool,
    bytes: Vec<u8>,
    elements: Vec<Element>,
}

/// Where an element's key and value lie.
#[derive(Clone, Debug)]
struct Element {
    key: Range<usize>,
    value: Range<usize>,
    bucket: bool,
    child: u64,
}

impl Page {
    /// Reads a page and checks it.
    pub fn read<R: ReadAt + ?Sized>(file: &R, meta: &Meta, id: u64) -> Result<Page, String> {
        let io = |error: std::io::Error| format!("cannot be read: {error}");
        if id < 2 || id >= meta.pages {
            return Err(format!(
                "there are only pages 2 to {}",
                meta.pages.saturating_sub(1)
            ));
        }
        let start = id * meta.page_size;
        let mut header = [0; HEADER];
        file.read_at(start, &mut header).map_err(io)?;
        let own = u64_at(&header, 0).unwrap_or_default();
        if own != id {
            return Err(format!("calls itself page {own}"));
        }
        let leaf = is_leaf(&header)?;
        let span = u64::from(u32_at(&header, 12).unwrap_or_default()) + 1;
        let length = span * meta.page_size;
        let most = if leaf { LARGEST_LEAF } else { LARGEST_BRANCH };
        if span > meta.pages - id || length > most {
            return Err(format!("claims to be {span} pages long"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|error| error.to_string())?];
        file.read_at(start, &mut bytes).map_err(io)?;
        let page = Page::checked(bytes, leaf, span)?;
        if page.elements.is_empty() && !page.leaf {
            return Err("a branch without children".to_owned());
        }
        if span > 1 && page.count() > MOST_ON_OVERFLOW {
            return Err(format!(
                "{span} pages long with {} elements: bolt would have split it",
                page.count()
            ));
        }
        Ok(page)
    }

    /// Takes the page image of an inline bucket and checks it: it is a leaf, and nothing follows its last element.
    pub fn inline(bytes: &[u8]) -> Result<Page, String> {
        if !is_leaf(bytes)? || u32_at(bytes, 12) != Some(0) {
            return Err("an inline bucket is no single leaf".to_owned());
        }
        let page = Page::checked(bytes.to_vec(), true, 0)?;
        let end = page.elements.last().map_or(HEADER, |last| last.value.end);
        if end != bytes.len() {
            return Err(format!("an inline bucket of {} bytes ends at {end}", bytes.len()));
        }
        Ok(page)
    }

    /// bolt writes all elements first, then key and value of each, back to back: whatever length or count is wrong
    /// shows as a gap.
    fn checked(bytes: Vec<u8>, leaf: bool, span: u64) -> Result<Page, String> {
        let count = usize::from(u16_at(&bytes, 10).ok_or("shorter than a page's header")?);
        let mut end = HEADER + count * ELEMENT;
        if end > bytes.len() {
            return Err(format!("has no room for {count} elements"));
        }
        let mut elements: Vec<Element> = Vec::with_capacity(count);
        for index in 0..count {
            let element = element(&bytes, leaf, HEADER + index * ELEMENT, end)
                .map_err(|what| format!("element {index} {what}"))?;
            if let Some(before) = elements.last()
                && bytes.get(before.key.clone()) >= bytes.get(element.key.clone())
            {
                return Err(format!(
                    "the key of element {index} is not above the one before it"
                ));
            }
            end = element.value.end;
            elements.push(element);
        }
        Ok(Page {
            span,
            leaf,
            bytes,
            elements,
        })
    }

    /// How many elements it has.
    pub fn count(&self) -> usize {
        self.elements.len()
    }

    /// The key of an element.
    pub fn key(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(self.elements.get(index)?.key.clone())
    }

    /// The value of a leaf's element, and whether it is a bucket.
    pub fn value(&self, index: usize) -> Option<(&[u8], bool)> {
        let element = self.elements.get(index)?;
        Some((self.bytes.get(element.value.clone())?, element.bucket))
    }

    /// The page a branch's element leads to.
    pub fn child(&self, index: usize) -> Option<u64> {
        self.elements.get(index).map(|element| element.child)
    }

    /// How many elements have keys below this one.
    pub fn below(&self, key: &[u8]) -> usize {
        self.elements
            .partition_point(|element| self.bytes.get(element.key.clone()) < Some(key))
    }
}

fn is_leaf(header: &[u8]) -> Result<bool, String> {
    match u16_at(header, 8) {
        Some(LEAF_FLAG) => Ok(true),
        Some(BRANCH_FLAG) => Ok(false),
        Some(_) | None => Err("is neither a branch nor a leaf".to_owned()),
    }
}

/// Reads an element that must have its key where the one before it ended.
fn element(bytes: &[u8], leaf: bool, at: usize, start: usize) -> Result<Element, String> {
    let field = |offset| u32_at(bytes, at + offset).unwrap_or_default();
    let (flags, position, key_length, value_length, child) = if leaf {
        (field(0), field(4), field(8), field(12), 0)
    } else {
        (
            0,
            field(0),
            field(4),
            0,
            u64_at(bytes, at + 8).unwrap_or_default(),
        )
    };
    if flags & !BUCKET_FLAG != 0 {
        return Err(format!("has unknown flags {flags:#x}"));
    }
    if at + position as usize != start {
        return Err("does not lie behind the one before it".to_owned());
    }
    if key_length == 0 || key_length > LONGEST_KEY {
        return Err(format!("has a key of {key_length} bytes"));
    }
    let key = start..start + key_length as usize;
    let value = key.end..key.end.saturating_add(value_length as usize);
    if value.end > bytes.len() {
        return Err("ends behind its page".to_owned());
    }
    Ok(Element {
        key,
        value,
        bucket: flags & BUCKET_FLAG != 0,
        child,
    })
}
