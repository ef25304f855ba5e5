//! Proving who we are: the key file of the destination, else the agent's keys in turn. Must never ask for a passphrase
//! or try a password, and never use a key that was not named when one was.

use std::path::Path;
use std::sync::Arc;

use russh::client::Handle;
use russh::keys::agent::{AgentIdentity, client::AgentClient};
use russh::keys::ssh_key::{HashAlg, PublicKey};
use russh::keys::{PrivateKeyWithHashAlg, load_secret_key};

use super::super::failure::Failure;
use super::super::{Destination, ErrorKind};
use super::{Handler, of_russh};

/// `sshd` allows six attempts by default; the seventh key would end the connection.
const MOST_AGENT_KEYS: usize = 6;

/// Succeeds, or says why no key was accepted.
pub(super) async fn authenticate(handle: &mut Handle<Handler>, to: &Destination) -> Result<(), Failure> {
    let user = match &to.user {
        Some(user) => user.clone(),
        None => std::env::var("USER")
            .or_else(|_| std::env::var("LOGNAME"))
            .map_err(|_| refused("no user is named"))?,
    };
    match &to.key_file {
        Some(file) => with_file(handle, &user, file).await,
        None => with_agent(handle, &user).await,
    }
}

fn refused(why: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Authentication, why)
}

async fn with_file(handle: &mut Handle<Handler>, user: &str, file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let key = load_secret_key(file, None).map_err(|error| {
        if let russh::keys::Error::KeyIsEncrypted = error {
            let why =
                "is encrypted: load it into ssh-agent and name no key file, or use the openssh transport";
            return refused(format!("{shown} {why}"));
        }
        refused(format!("{shown}: {error}"))
    })?;
    let hash = hash_for(handle, key.public_key()).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    let result = handle.authenticate_publickey(user, key).await;
    match result
        .map_err(|error| of_russh("authenticating", &error))?
        .success()
    {
        true => Ok(()),
        false => Err(refused(format!("the host does not accept {shown} for {user}"))),
    }
}

async fn with_agent(handle: &mut Handle<Handler>, user: &str) -> Result<(), Failure> {
    let mut agent = AgentClient::connect_env()
        .await
        .map_err(|error| refused(format!("no key file is named and no agent answers: {error}")))?;
    let identities = agent
        .request_identities()
        .await
        .map_err(|error| refused(format!("ssh-agent: {error}")))?;
    let keys = identities.into_iter().filter_map(|identity| match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    });
    let mut tried = 0;
    for key in keys.take(MOST_AGENT_KEYS) {
        let hash = hash_for(handle, &key).await?;
        tried += 1;
        match handle
            .authenticate_publickey_with(user, key, hash, &mut agent)
            .await
        {
            Ok(result) if result.success() => return Ok(()),
            // The host or the agent declined this key: the next one may serve.
            Ok(_) | Err(_) => {}
        }
        if handle.is_closed() {
            break;
        }
    }
    Err(refused(format!(
        "the host accepts none of the agent's keys for {user} ({tried} tried)"
    )))
}

/// RSA keys sign with the best hash that the host knows; others have none to choose.
async fn hash_for(handle: &Handle<Handler>, key: &PublicKey) -> Result<Option<HashAlg>, Failure> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    let best = handle
        .best_supported_rsa_hash()
        .await
        .map_err(|error| of_russh("authenticating", &error))?;
    Ok(best.unwrap_or(Some(HashAlg::Sha256)))
}
