//! Why a connection to the daemon did not come about, in words that say what to do.

use rustls::{AlertDescription, CertificateError};
use std::{error::Error, io, sync::Arc};

/// The sentence for a failure of TLS that has one; else the failure's own words with all that caused it.
pub fn sentence(failure: &(dyn Error + 'static)) -> String {
    let mut texts = Vec::new();
    let mut next = Some(failure);
    while let Some(cause) = next {
        if let Some(sentence) = tls_of(cause).and_then(known) {
            return sentence.to_owned();
        }
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.dedup();
    texts.join(": ")
}

/// A failure of TLS travels inside an I/O error, which does not call it its source. tarpc shares that one, and puts it
/// into one more.
fn tls_of<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let carrier = cause.downcast_ref::<io::Error>().or_else(|| cause.downcast_ref::<Arc<io::Error>>().map(|io| &**io));
    match carrier.and_then(io::Error::get_ref) {
        Some(carried) => tls_of(carried),
        None => cause.downcast_ref(),
    }
}

fn known(error: &rustls::Error) -> Option<&'static str> {
    Some(match error {
        rustls::Error::AlertReceived(AlertDescription::CertificateRevoked) => {
            "the daemon does not know this agent, or no longer: join with a new invitation (`tweenfarm-agent join`)"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "this agent's certificate is over, it was off for too long: join with a new invitation"
        }
        rustls::Error::AlertReceived(AlertDescription::UnknownCA) => {
            "the daemon is of another farm than the one this agent joined: join with an invitation of this one"
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "who answers there is not the daemon of this agent's farm: check the address, or join with a new invitation"
        }
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "who answers there is not the daemon that the invitation is of: nothing was sent"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not read from the transport")]
    struct Carried(#[source] Arc<io::Error>);

    #[test]
    fn a_refused_certificate_is_told_in_words_however_deep_it_lies() {
        let revoked = || io::Error::other(rustls::Error::AlertReceived(AlertDescription::CertificateRevoked));
        for failure in [&revoked() as &(dyn Error + 'static), &Carried(Arc::new(io::Error::other(revoked())))] {
            assert!(sentence(failure).contains("join with a new invitation"), "{}", sentence(failure));
        }
    }

    #[test]
    fn any_other_failure_keeps_its_words() {
        let cause = Carried(Arc::new(io::Error::other("the cable is out")));
        assert_eq!(sentence(&cause), "could not read from the transport: the cable is out");
    }
}
