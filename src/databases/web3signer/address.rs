//! Where the database is, and the password for it. Must never show a password, and never let one go over a network in
//! the clear.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};

use super::pgpass;
use crate::databases::DatabaseError;

/// Where Debian's PostgreSQL keeps its socket: asked when no host is named.
const SOCKET_DIRECTORY: &str = "/run/postgresql";

const PORT: u16 = 5432;

/// No server takes longer to answer at all.
const CONNECT_S: u64 = 10;

pub(super) struct Address {
    pub(super) config: Config,
    /// Without the password.
    pub(super) shown: String,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

impl Address {
    /// Reads an address and finds its password.
    pub(super) fn read(url: &str) -> Result<Address, DatabaseError> {
        let url = url.strip_prefix("jdbc:").unwrap_or(url);
        // Not even the driver's complaint is shown: a mistyped address may name the password in any place.
        let mut config: Config = url.parse().map_err(|_| DatabaseError::Unsupported {
            place: "the address of a PostgreSQL database".to_owned(),
            what: "it cannot be read".to_owned(),
            remedy: "Write postgres://USER@HOST:PORT/NAME, or postgres:///NAME?host=/run/postgresql&user=USER for a \
                     socket; the password belongs into PGPASSWORD or ~/.pgpass"
                .to_owned(),
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host_path(SOCKET_DIRECTORY);
        }
        if config.get_user().is_none()
            && let Some(user) = ["PGUSER", "USER"]
                .iter()
                .find_map(|name| std::env::var(name).ok())
        {
            config.user(&user);
        }
        config.application_name("failover");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(CONNECT_S));
        }
        let shown = shown(&config);
        let mut address = Address {
            config,
            shown,
            notes: Vec::new(),
        };
        address.is_near()?;
        address.find_password();
        Ok(address)
    }

    /// One server, on this machine or at the end of a tunnel that begins here.
    fn is_near(&self) -> Result<(), DatabaseError> {
        let refused = |what: &str, remedy: &str| {
            Err(DatabaseError::Unsupported {
                place: self.shown.clone(),
                what: what.to_owned(),
                remedy: remedy.to_owned(),
            })
        };
        let tunnel = "Open a tunnel, `ssh -L 5433:127.0.0.1:5432 HOST`, and name 127.0.0.1:5433 instead";
        let (hosts, numbers) = (self.config.get_hosts(), self.config.get_hostaddrs());
        if hosts.len() > 1 || numbers.len() > 1 {
            return refused(
                "it names several servers",
                "Name the one that Web3Signer writes to",
            );
        }
        if self.config.get_ssl_mode() == SslMode::Require {
            return refused("it asks for TLS, which is not built in", tunnel);
        }
        let near = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                let number = name.trim_matches(['[', ']']).parse::<IpAddr>();
                name == "localhost" || number.is_ok_and(|number| number.is_loopback())
            }
        };
        // Where both are given the driver goes to the number.
        if numbers.iter().all(IpAddr::is_loopback) && (hosts.iter().all(near) || !numbers.is_empty()) {
            return Ok(());
        }
        refused(
            "another machine, and TLS is not built in: the password would go in the clear",
            tunnel,
        )
    }

    /// As libpq looks for it: address, environment, file.
    fn find_password(&mut self) {
        if self.config.get_password().is_some() {
            let note = "the password stands in the address, where every user of this machine can read it while this \
                        runs: use PGPASSWORD or ~/.pgpass";
            self.notes.push(note.to_owned());
            return;
        }
        if let Some(password) = std::env::var_os("PGPASSWORD").filter(|password| !password.is_empty()) {
            self.config.password(password.into_encoded_bytes());
            return;
        }
        let below_home = || std::env::home_dir().map(|home| home.join(".pgpass"));
        let Some(path) = std::env::var_os("PGPASSFILE")
            .map(PathBuf::from)
            .or_else(below_home)
        else {
            return;
        };
        let Ok(known) = std::fs::metadata(&path) else {
            return;
        };
        if !known.is_file() || known.permissions().mode() & 0o077 != 0 {
            let note = format!(
                "{} is not used: others may read it. Run chmod 0600 on it",
                path.display()
            );
            self.notes.push(note);
            return;
        }
        let wanted = wanted(&self.config);
        let found = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| pgpass::find(&text, &wanted));
        if let Some(password) = found {
            self.config.password(password);
        }
    }
}

/// Host, port, database and user as a line of the file names them.
fn wanted(config: &Config) -> [Vec<String>; 4] {
    let hosts = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => vec![name.clone()],
        // libpq calls its own socket directory `localhost`.
        Some(Host::Unix(path)) => vec![path.display().to_string(), "localhost".to_owned()],
        None => config.get_hostaddrs().iter().map(ToString::to_string).collect(),
    };
    let user = config.get_user().unwrap_or_default().to_owned();
    let database = config.get_dbname().map_or_else(|| user.clone(), str::to_owned);
    [hosts, vec![port(config).to_string()], vec![database], vec![user]]
}

fn port(config: &Config) -> u16 {
    config.get_ports().first().copied().unwrap_or(PORT)
}

fn shown(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let numbers = config.get_hostaddrs().iter().map(ToString::to_string);
    let hosts = if hosts.is_empty() {
        numbers.collect()
    } else {
        hosts
    };
    let text = format!(
        "postgres://{}@{}:{}/{}",
        config.get_user().unwrap_or_default(),
        hosts.join(","),
        port(config),
        config.get_dbname().unwrap_or_default()
    );
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        match Address::read(url) {
            Ok(address) => panic!("taken: {}", address.shown),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn no_password_is_ever_shown() {
        for url in [
            "postgres://u:s3cret@db.example/web3signer",
            "postgres://u:s3cret@a,b/web3signer",
            "postgres://u:s3cret@localhost/w?sslmode=require",
            "postgres://u:s3cret@localhost/w?sslmode=verify-full",
            "postgres://u:s3cret@localhost:99999/w",
            "host=localhost pass=s3cret",
            "host=localhost s3cret",
            "postgres://u@localhost/w?s3cret=1",
            "u:s3cret@localhost",
        ] {
            let said = refusal(url);
            assert!(!said.contains("s3cret"), "{said}");
        }
        let address = Address::read("jdbc:postgresql://u:s3cret@localhost:5433/web3signer").unwrap();
        assert_eq!(address.shown, "postgres://u@localhost:5433/web3signer");
        assert!(address.notes[0].contains("every user") && !address.notes[0].contains("s3cret"));
    }

    #[test]
    fn only_this_machine_is_asked() {
        for near in [
            "postgres://u@localhost/w",
            "postgres://u@127.0.0.1:5433/w",
            "postgres://u@127.8.8.8/w",
            "postgres://u@[::1]/w",
            "postgres:///w?host=/run/postgresql&user=u",
            "postgres:///w",
            "postgres://u@any/w?hostaddr=127.0.0.1",
            "postgres://u@localhost/w?sslmode=disable",
        ] {
            assert!(Address::read(near).is_ok(), "{near}");
        }
        for far in [
            "postgres://u@db.example/w",
            "postgres://u@10.0.0.1/w",
            "postgres://u@localhost.example/w",
            "postgres://u@localhost/w?hostaddr=10.0.0.1",
            "postgres://u@localhost,db.example/w",
            "postgres://u@localhost/w?sslmode=require",
        ] {
            let said = refusal(far);
            assert!(
                said.contains("ssh -L") || said.contains("several servers"),
                "{said}"
            );
        }
    }
}
