//! A login: an API key in a file beside the profile that names it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    cli::{
        access::{Profile, api_address_of, api_failure, not_written, profile_failed},
        run_to_end,
    },
    client::{ApiClient, ApiCredentials, ClientError, HttpVerb},
    model::{Code, CoordinatorAddress, Failure, Fingerprint, Secret},
    rt::files,
    tls::PinVerifier,
};

pub const KEYS: &str = "/api/v1/users/auth/keys";

const MAX_KEY: u64 = 16 << 10;

pub struct Session {
    address: CoordinatorAddress,
    pin: Fingerprint,
    key: Secret,
    id: String,
    key_file: PathBuf,
}

/// Where the key of a profile lies that `login` writes.
pub fn key_file_of(profile: &Path) -> PathBuf {
    profile.with_extension("key")
}

impl Session {
    pub fn new(
        address: CoordinatorAddress,
        pin: Fingerprint,
        key: Secret,
        key_file: PathBuf,
    ) -> Result<Self, Failure> {
        let id = id_of(&key).ok_or_else(|| {
            Failure::new(Code::CoordinatorProtocol, "what the coordinator made is no API key")
        })?;
        Ok(Self { address, pin, key, id, key_file })
    }

    /// The login that a profile stands for; `None` if it is not there. A profile of another kind
    /// is not touched.
    pub fn at(file: &Path) -> Result<Option<Self>, Failure> {
        let Some(profile) = Profile::load(file)? else { return Ok(None) };
        let not_ours = || profile_failed(file, "it was not written by 'ece-agent login'");
        let key_file = key_file_of(file);
        let is_ours = profile.api_key_file.as_deref() == Some(&*key_file);
        let (Some(host), Some(pin), true) =
            (&profile.coordinator_host, profile.ca_fingerprint, is_ours)
        else {
            return Err(not_ours().with_fix(
                "Name another file with --profile, or remove this one if it is not needed.",
            ));
        };
        let unreadable = |reason: &str| {
            let message = format!("the key {} cannot be read: {reason}", key_file.display());
            profile_failed(file, &message).with_fix(format!(
                "Remove {} if the login is of no use any more; 'ece-agent apikey delete' deletes its key.",
                file.display()
            ))
        };
        let content = files::read_private(&key_file, MAX_KEY);
        let content = content.map_err(|error| unreadable(&error.to_string()))?;
        let content =
            zeroize::Zeroizing::new(content.ok_or_else(|| unreadable("it is not there"))?);
        let text = std::str::from_utf8(&content).map_err(|_| unreadable("it is not text"))?;
        let session =
            Self::new(api_address_of(host)?, pin, Secret::new(text.trim_end()), key_file.clone());
        session.map(Some).map_err(|_| unreadable("it is none"))
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes key and profile, both for their owner's eyes.
    pub fn keep(&self, file: &Path) -> Result<(), Failure> {
        Profile::make_place(file)?;
        let line = zeroize::Zeroizing::new(format!("{}\n", self.key.expose()));
        files::write_private(&self.key_file, line.as_bytes())
            .map_err(|error| not_written(&self.key_file, &error))?;
        let profile = Profile {
            coordinator_host: Some(self.address.to_string()),
            api_key_file: Some(self.key_file.clone()),
            ca_fingerprint: Some(self.pin),
            ..Profile::default()
        };
        profile.save(file)
    }

    /// Deletes the key at the coordinator. One that is over already is as good.
    pub fn end(&self) -> Result<(), Failure> {
        let verifier = Arc::new(PinVerifier::new([self.pin], []));
        let credentials = ApiCredentials::ApiKey(self.key.clone());
        let client = ApiClient::new(self.address.clone(), verifier, credentials)
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let path = format!("{KEYS}/{}", self.id);
        match run_to_end(client.call(HttpVerb::Delete, &path)) {
            Ok(_) | Err(ClientError::Refused { status: 401 | 404, .. }) => Ok(()),
            Err(error) => Err(api_failure(error)),
        }
    }

    /// Removes key and profile here.
    pub fn forget(&self, file: &Path) -> Result<(), Failure> {
        for file in [&*self.key_file, file] {
            files::remove(file).map_err(|error| not_written(file, &error))?;
        }
        Ok(())
    }
}

/// A key's text is its id and a secret, encoded together.
fn id_of(key: &Secret) -> Option<String> {
    let text = zeroize::Zeroizing::new(STANDARD.decode(key.expose()).ok()?);
    let (id, _) = std::str::from_utf8(&text).ok()?.split_once(':')?;
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain.then(|| id.to_owned())
}
