//! One file of a host, streamed over a channel of its own and hashed at both ends. The shell reads a constant script
//! from its standard input. Must never report bytes whose hash, as computed here, differs from the host's own.
//!
//! What comes back: banners, `@fo NONCE file SIZE SHA256` and SIZE raw bytes; or, instead, `@fo NONCE none WHY`. Size
//! and hash are the end marker. On an error, what was already written is worth nothing: the caller throws it away.

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use super::frame::quote;
use super::held::{Complaints, Pipes, fresh_nonce};
use super::{ErrorKind, Fetched};

/// The fixed script; `fo_fetch NONCE PATH` follows it.
const FETCH_SH: &str = include_str!("fetch.sh");

/// How much may be printed before the file begins.
const NOISE_LIMIT: u64 = 1 << 20;

/// Fetches `path` over fresh pipes.
pub(super) async fn fetch(
    pipes: Pipes,
    path: &str,
    into: &mut (dyn AsyncWrite + Send + Unpin),
    deadline: Instant,
) -> Result<Fetched, Failure> {
    if path.contains('\0') {
        return Err(Failure::new(
            ErrorKind::BadDestination,
            "the path holds a NUL byte",
        ));
    }
    let nonce = fresh_nonce()?;
    let script = format!("{FETCH_SH}\nfo_fetch {nonce} {}\nexit\n", quote(path));
    let Pipes {
        mut stdin,
        stdout,
        stderr,
        ended,
    } = pipes;
    let mut complaints = Complaints::gather(stderr);
    let mut stdout = BufReader::with_capacity(64 << 10, stdout);
    let streaming = async {
        // A failed write shows as an early end of the output.
        let say = async {
            (
                stdin.write_all(script.as_bytes()).await.ok(),
                stdin.flush().await.ok(),
            )
        };
        tokio::join!(receive(&mut stdout, &nonce, path, into), say).0
    };
    match timeout_at(deadline, streaming).await {
        Err(_) => Err(Failure::timed_out("a file was being fetched")),
        Ok(Ok(fetched)) => Ok(fetched),
        Ok(Err(Stopped::Failed(failure))) => Err(failure),
        Ok(Err(Stopped::NoHeader)) => Err(complaints.autopsy(ended, deadline).await),
    }
}

/// Why nothing was received.
enum Stopped {
    /// The output ended before the file was announced: the shell itself may not have come up.
    NoHeader,
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped::Failed(failure)
    }
}

type Source = BufReader<Box<dyn tokio::io::AsyncRead + Send + Unpin>>;

async fn receive(
    from: &mut Source,
    nonce: &str,
    path: &str,
    into: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<Fetched, Stopped> {
    let announced = header(from, nonce, path).await?;
    let mut hash = Sha256::new();
    let mut left = announced.bytes;
    while left > 0 {
        let chunk = from
            .fill_buf()
            .await
            .map_err(|error| lost(path, &error.to_string()))?;
        if chunk.is_empty() {
            return Err(lost(path, &format!("{left} of {} bytes are missing", announced.bytes)).into());
        }
        let length = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        hash.update(&chunk[..length]);
        into.write_all(&chunk[..length])
            .await
            .map_err(|error| not_written(path, &error))?;
        from.consume(length);
        left -= length as u64;
    }
    into.flush().await.map_err(|error| not_written(path, &error))?;
    let sha256 = const_hex::encode(hash.finalize());
    if sha256 != announced.sha256 {
        let why = format!(
            "{path}: the host announced sha256 {}, what arrived has {sha256}",
            announced.sha256
        );
        return Err(Failure::new(ErrorKind::Garbled, why).into());
    }
    Ok(announced)
}

/// Skips what a login prints and reads the line that announces the file.
async fn header(from: &mut Source, nonce: &str, path: &str) -> Result<Fetched, Stopped> {
    let begin = format!("@fo {nonce} ");
    let mut limited = from.take(NOISE_LIMIT);
    loop {
        let mut line = Vec::new();
        limited
            .read_until(b'\n', &mut line)
            .await
            .map_err(|error| lost(path, &error.to_string()))?;
        if line.pop() != Some(b'\n') {
            return Err(Stopped::NoHeader);
        }
        let line = String::from_utf8_lossy(&line);
        let Some(marker) = line.strip_prefix(&begin) else {
            continue;
        };
        if let Some(why) = marker.strip_prefix("none ") {
            return Err(Failure::new(ErrorKind::Garbled, format!("{path}: {why}")).into());
        }
        let garbled = || {
            Failure::new(
                ErrorKind::Garbled,
                format!("{path}: `{marker}` announces no file"),
            )
        };
        return Ok(announced(marker).ok_or_else(garbled)?);
    }
}

fn announced(marker: &str) -> Option<Fetched> {
    let mut words = marker.strip_prefix("file ")?.split(' ');
    let (bytes, sha256) = (words.next()?.parse().ok()?, words.next()?.to_owned());
    let hex = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (hex && words.next().is_none()).then_some(Fetched { bytes, sha256 })
}

fn lost(path: &str, why: &str) -> Failure {
    Failure::new(ErrorKind::Lost, format!("{path}: {why}"))
}

fn not_written(path: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        ErrorKind::Lost,
        format!("{path}: the fetched bytes cannot be written here: {error}"),
    )
}
