//! One lie at a time in a small file that is sound otherwise, so that each check of the bolt reader is seen to refuse it,
//! and for its own reason. Must never build on a file that another check would refuse already.

use failover::databases::DatabaseError;
use failover::databases::bolt::Bolt;

const PAGE: usize = 4096;

/// A file of 4 KiB pages whose meta pages are made last.
#[derive(Clone)]
struct Crafted {
    pages: Vec<Vec<u8>>,
    free_list: u64,
}

fn header(id: u64, flags: u16, count: usize) -> Vec<u8> {
    let mut page = id.to_le_bytes().to_vec();
    page.extend(flags.to_le_bytes());
    page.extend(u16::try_from(count).unwrap().to_le_bytes());
    page.extend([0; 4]);
    page
}

fn numbers(page: &mut Vec<u8>, numbers: [usize; 4]) {
    page.extend(
        numbers
            .into_iter()
            .flat_map(|number| u32::try_from(number).unwrap().to_le_bytes()),
    );
}

/// A leaf image: key, value, and 1 when it is a bucket.
fn leaf(id: u64, elements: &[(&str, &[u8], usize)]) -> Vec<u8> {
    let mut page = header(id, 2, elements.len());
    let mut end = 16 + elements.len() * 16;
    for (index, (key, value, bucket)) in elements.iter().enumerate() {
        numbers(
            &mut page,
            [*bucket, end - 16 - index * 16, key.len(), value.len()],
        );
        end += key.len() + value.len();
    }
    for (key, value, _) in elements {
        page.extend(key.as_bytes());
        page.extend(*value);
    }
    page
}

fn branch(id: u64, children: &[(&str, u64)]) -> Vec<u8> {
    let mut page = header(id, 1, children.len());
    let mut end = 16 + children.len() * 16;
    for (index, (key, child)) in children.iter().enumerate() {
        page.extend(u32::try_from(end - 16 - index * 16).unwrap().to_le_bytes());
        page.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
        page.extend(child.to_le_bytes());
        end += key.len();
    }
    page.extend(children.iter().flat_map(|(key, _)| key.bytes()));
    page
}

fn free(ids: &[u64]) -> Vec<u8> {
    let mut page = header(2, 0x10, ids.len());
    page.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    page
}

fn bucket(page: u64) -> Vec<u8> {
    [page.to_le_bytes(), [0; 8]].concat()
}

fn inline(image: &[u8]) -> Vec<u8> {
    [&[0; 16], image].concat()
}

/// Free list, root, a branch with two leaves, and a free page.
fn sound() -> Crafted {
    let pages = vec![
        free(&[7]),
        leaf(
            3,
            &[
                ("big", &bucket(4), 1),
                ("small", &inline(&leaf(0, &[("k", b"v", 0)])), 1),
            ],
        ),
        branch(4, &[("a", 5), ("c", 6)]),
        leaf(5, &[("a", b"1", 0), ("b", b"2", 0)]),
        leaf(6, &[("c", b"3", 0), ("d", b"4", 0)]),
        vec![0xee; 100],
    ];
    Crafted { pages, free_list: 2 }
}

impl Crafted {
    fn bytes(&self) -> Vec<u8> {
        let pages = self.pages.len() as u64 + 2;
        let mut file = Vec::new();
        for number in 0..2u64 {
            let mut meta = [0xED0C_DAEDu32, 2, 4096, 0].map(u32::to_le_bytes).concat();
            meta.extend(
                [3, 0, self.free_list, pages, 8 + number]
                    .map(u64::to_le_bytes)
                    .concat(),
            );
            let sum = meta.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            file.extend(header(number, 4, 0));
            file.extend(meta);
            file.extend(sum.to_le_bytes());
            file.resize((number as usize + 1) * PAGE, 0);
        }
        for (number, page) in self.pages.iter().enumerate() {
            file.extend(page);
            file.resize((number + 3) * PAGE, 0xdd);
        }
        file
    }

    /// Values in all buckets, once everything was checked.
    fn read(&self) -> Result<u64, DatabaseError> {
        let bytes = self.bytes();
        let bolt = Bolt::open(&bytes[..], "crafted")?;
        let values = bolt.pass(&bolt.root())?;
        bolt.finish()?;
        Ok(values)
    }
}

/// Changes bytes of a page.
fn put(page: usize, at: usize, bytes: &[u8]) -> impl Fn(&mut Crafted) {
    move |file| file.pages[page - 2][at..at + bytes.len()].copy_from_slice(bytes)
}

/// Puts another page in the place of one.
fn page(number: usize, page: Vec<u8>) -> impl Fn(&mut Crafted) {
    move |file| file.pages[number - 2].clone_from(&page)
}

type Lie<'a> = (Box<dyn Fn(&mut Crafted) + 'a>, &'a str);

fn refused(lies: Vec<Lie<'_>>) {
    assert_eq!(sound().read(), Ok(5));
    for (lie, expected) in lies {
        let mut file = sound();
        lie(&mut file);
        let error = file.read().expect_err(expected);
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

/// Proves each check of a page by itself.
#[test]
fn each_lie_of_a_page_is_refused() {
    let max = [0xff; 4];
    let mut five = leaf(
        6,
        &[
            ("c", b"3", 0),
            ("d", b"", 0),
            ("e", b"", 0),
            ("f", b"", 0),
            ("g", b"", 0),
        ],
    );
    five[12] = 1;
    refused(vec![
        (Box::new(put(5, 0, &[6])), "page 5: damaged: calls itself page 6"),
        (Box::new(put(5, 8, &[3])), "is neither a branch nor a leaf"),
        (Box::new(put(5, 8, &[0x10])), "is neither a branch nor a leaf"),
        (
            Box::new(put(5, 10, &[0xff, 0xff])),
            "has no room for 65535 elements",
        ),
        (
            Box::new(put(5, 10, &[1])),
            "element 0 does not lie behind the one before it",
        ),
        (Box::new(put(5, 12, &max)), "claims to be 4294967296 pages long"),
        (Box::new(put(5, 16, &[2])), "has unknown flags 0x2"),
        (Box::new(put(5, 20, &[33])), "does not lie behind"),
        (Box::new(put(5, 24, &[0])), "has a key of 0 bytes"),
        (Box::new(put(5, 24, &max)), "has a key of 4294967295 bytes"),
        (Box::new(put(5, 28, &max)), "ends behind its page"),
        (Box::new(put(5, 28, &[0])), "element 1 does not lie behind"),
        (
            Box::new(page(5, leaf(5, &[("b", b"1", 0), ("a", b"2", 0)]))),
            "the key of element 1 is not above",
        ),
        (
            Box::new(page(5, leaf(5, &[("a", b"1", 0), ("a", b"2", 0)]))),
            "the key of element 1 is not above",
        ),
        (Box::new(page(4, branch(4, &[]))), "a branch without children"),
        (
            Box::new(page(6, five)),
            "2 pages long with 5 elements: bolt would have split it",
        ),
    ]);
}

/// Proves each check of how pages hang together.
#[test]
fn each_lie_between_pages_is_refused() {
    let place = "its keys do not lie where the page above it says";
    let root = |big: &[u8], small: &[u8]| page(3, leaf(3, &[("big", big, 1), ("small", small, 1)]));
    let small = inline(&leaf(0, &[("k", b"v", 0)]));
    let longer = [&small[..], b"x"].concat();
    let tree = inline(&branch(0, &[("a", 5)]));
    refused(vec![
        (Box::new(page(4, branch(4, &[("a", 5), ("cc", 6)]))), place),
        (Box::new(page(4, branch(4, &[("a", 5), ("b", 6)]))), place),
        (Box::new(page(4, branch(4, &[("a", 6), ("c", 5)]))), place),
        (Box::new(page(5, leaf(5, &[]))), place),
        (
            Box::new(page(4, branch(4, &[("a", 5)]))),
            "page 6 is neither used nor free",
        ),
        (
            Box::new(page(4, branch(4, &[("a", 4), ("c", 6)]))),
            "page 4 is used twice",
        ),
        (Box::new(page(4, branch(4, &[("a", 4)]))), "page 4 is used twice"),
        (
            Box::new(page(4, branch(4, &[("a", 99), ("c", 6)]))),
            "there are only pages 2 to 7",
        ),
        (
            Box::new(page(4, branch(4, &[("a", 1), ("c", 6)]))),
            "there are only pages 2 to 7",
        ),
        (
            Box::new(page(4, branch(4, &[("a", u64::MAX), ("c", 6)]))),
            "there are only pages 2 to 7",
        ),
        (Box::new(root(&bucket(4), &bucket(4))), "page 4 is used twice"),
        (Box::new(root(&bucket(4), &bucket(3))), "page 3 is used twice"),
        (
            Box::new(root(&bucket(4)[..15], &small)),
            "a bucket's value has 15 bytes",
        ),
        (
            Box::new(root(&[&bucket(4)[..], b"x"].concat(), &small)),
            "a bucket's value has 17 bytes",
        ),
        (
            Box::new(root(&bucket(4), &longer)),
            "an inline bucket of 35 bytes ends at 34",
        ),
        (
            Box::new(root(&bucket(4), &tree)),
            "an inline bucket is no single leaf",
        ),
        (
            Box::new(root(&bucket(4), &small[..20])),
            "is neither a branch nor a leaf",
        ),
    ]);
}

/// Proves each check of the list of free pages.
#[test]
fn each_lie_of_the_free_list_is_refused() {
    refused(vec![
        (Box::new(page(2, free(&[]))), "page 7 is neither used nor free"),
        (Box::new(page(2, free(&[7, 7]))), "page 7 is used twice"),
        (Box::new(page(2, free(&[6, 7]))), "page 6 is used twice"),
        (
            Box::new(page(2, free(&[7, 8]))),
            "page 8 lies behind the last page",
        ),
        (
            Box::new(put(2, 10, &[0xfe, 0xff])),
            "the list of free pages is longer than its pages",
        ),
        (Box::new(put(2, 10, &[0xff, 0xff])), "lies behind the last page"),
        (
            Box::new(put(2, 8, &[2])),
            "page 2: the list of free pages is not there",
        ),
        (
            Box::new(|file: &mut Crafted| file.free_list = 5),
            "page 5: the list of free pages is not there",
        ),
        (
            Box::new(|file: &mut Crafted| file.free_list = u64::MAX),
            "without a list of free pages",
        ),
    ]);
}

/// Proves that the longer form of the list is read, whose count is its first number.
#[test]
fn a_long_free_list_is_read() {
    let mut file = sound();
    file.pages[0] = free(&[1, 7]);
    put(2, 10, &[0xff, 0xff])(&mut file);
    assert_eq!(file.read(), Ok(5));
}

/// Proves that lookups are bounded too, though they claim nothing: a page below itself ends in an error.
#[test]
fn a_lookup_ends() {
    let mut file = sound();
    page(4, branch(4, &[("a", 4)]))(&mut file);
    let bytes = file.bytes();
    let bolt = Bolt::open(&bytes[..], "crafted").unwrap();
    let below = failover::databases::bolt::Bucket::Paged(4);
    let error = bolt.search(&below).unwrap().get(b"b").unwrap_err();
    assert!(error.to_string().contains("more than 32 levels deep"), "{error}");
}

/// Proves that buckets in buckets are bounded.
#[test]
fn buckets_in_buckets_end() {
    let mut image = leaf(0, &[]);
    for _ in 0..20 {
        image = leaf(0, &[("k", &inline(&image), 1)]);
    }
    let mut file = sound();
    page(
        3,
        leaf(3, &[("big", &bucket(4), 1), ("small", &inline(&image), 1)]),
    )(&mut file);
    let error = file.read().unwrap_err();
    assert!(error.to_string().contains("too deeply"), "{error}");
}
