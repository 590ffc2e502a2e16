use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, UnixTime, alg_id, pem::PemObject};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::key::fingerprint_of_public_key;
use crate::model::Fingerprint;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a certificate that can be read")]
pub struct UnreadableCertificate;

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, UnreadableCertificate> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(UnreadableCertificate),
    }
}

/// The fingerprint of the certificate's key.
pub fn fingerprint_of_certificate(
    der: &CertificateDer<'_>,
) -> Result<Fingerprint, UnreadableCertificate> {
    Ok(fingerprint_of_public_key(parse(der)?.tbs_certificate.subject_pki.raw))
}

/// Whether it is around a P-256 key, as this program makes them.
pub(super) fn holds_p256_key(der: &CertificateDer<'_>) -> bool {
    // The heads of two sequences stand before the algorithm; a point follows it (RFC 5480).
    const LENGTH: usize = 91;
    let is_one = |key: &[u8]| {
        let algorithm = key.get(4..).unwrap_or_default();
        key.len() == LENGTH && algorithm.starts_with(alg_id::ECDSA_P256.as_ref())
    };
    parse(der).is_ok_and(|it| is_one(it.tbs_certificate.subject_pki.raw))
}

/// The fingerprint of the first certificate in a PEM text.
pub fn fingerprint_of_pem(pem: &[u8]) -> Result<Fingerprint, UnreadableCertificate> {
    let der = CertificateDer::from_pem_slice(pem).map_err(|_| UnreadableCertificate)?;
    fingerprint_of_certificate(&der)
}

/// The first certificate in a PEM text, and nothing that stands beside it, as PEM; `None` unless
/// it is one of `pins`.
pub fn certificate_with_pin(pem: &[u8], pins: &[Fingerprint]) -> Option<String> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let fingerprint = fingerprint_of_certificate(&der).ok()?;
    pins.contains(&fingerprint).then(|| certificate_to_pem(&der))
}

pub fn certificate_to_pem(der: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(LINE)
        .filter_map(|start| text.get(start..text.len().min(start + LINE)))
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The names and addresses that a certificate is for, as text.
pub fn names_in_certificate(
    der: &CertificateDer<'_>,
) -> Result<Vec<String>, UnreadableCertificate> {
    Ok(alternative_names(&parse(der)?)?
        .into_iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect())
}

pub(super) fn has_uri(der: &CertificateDer<'_>, uri: &str) -> Result<bool, UnreadableCertificate> {
    Ok(alternative_names(&parse(der)?)?
        .into_iter()
        .any(|name| matches!(name, GeneralName::URI(text) if text == uri)))
}

/// The first and last second in which the certificate is valid.
pub fn validity_of_certificate(
    der: &CertificateDer<'_>,
) -> Result<(UnixTime, UnixTime), UnreadableCertificate> {
    let certificate = parse(der)?;
    let second = |at: i64| UnixTime::since_unix_epoch(Duration::from_secs(at.max(0) as u64));
    let validity = certificate.validity();
    Ok((second(validity.not_before.timestamp()), second(validity.not_after.timestamp())))
}

fn alternative_names<'a>(
    certificate: &'a X509Certificate<'a>,
) -> Result<Vec<GeneralName<'a>>, UnreadableCertificate> {
    let extension = certificate.subject_alternative_name().map_err(|_| UnreadableCertificate)?;
    Ok(extension.map(|found| found.value.general_names.clone()).unwrap_or_default())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}
