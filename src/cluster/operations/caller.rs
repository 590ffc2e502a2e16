use std::net::IpAddr;

use uuid::Uuid;

use crate::model::KeyId;

/// Who knocks, as TLS knows them.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub key: KeyId,
    pub address: IpAddr,
    pub request_id: Uuid,
}
