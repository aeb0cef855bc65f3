//! Daemons that tell the local network where they are, by mDNS. Anybody can say so: what is found is where to look, and
//! never whom to believe.

use mdns_sd::{ServiceDaemon, ServiceEvent};
use std::{collections::BTreeMap, time::Duration};
use tweenfarm_protocol::join::DISCOVERY_NAME;

#[derive(Debug, thiserror::Error)]
#[error("multicast DNS does not work on this machine")]
pub struct DiscoveryError(#[from] mdns_sd::Error);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDaemon {
    /// As it calls itself.
    pub name: String,
    /// Host and port of each, IPv4 first.
    pub addresses: Vec<String>,
    /// The fingerprint of the authority it says it has.
    pub authority: Option<String>,
}

/// Everybody who answers within this time, by name.
pub async fn look_around(span: Duration) -> Result<Vec<FoundDaemon>, DiscoveryError> {
    let mdns = ServiceDaemon::new()?;
    let events = mdns.browse(DISCOVERY_NAME)?;
    let mut found = BTreeMap::new();
    let until = tokio::time::Instant::now() + span;
    while let Ok(Ok(event)) = tokio::time::timeout_at(until, events.recv_async()).await {
        let ServiceEvent::ServiceResolved(service) = event else { continue };
        let mut addresses: Vec<_> = service.addresses.iter().map(|address| address.to_ip_addr()).collect();
        addresses.sort();
        let port = service.port;
        let addresses = addresses.into_iter().map(|address| std::net::SocketAddr::new(address, port).to_string());
        let name = service.fullname.trim_end_matches(DISCOVERY_NAME).trim_end_matches('.').to_owned();
        let authority = service.txt_properties.get_property_val_str("authority").map(str::to_owned);
        found.insert(name.clone(), FoundDaemon { name, addresses: addresses.collect(), authority });
    }
    // It has told all it will tell; its thread ends with it.
    let _ = mdns.shutdown();
    Ok(found.into_values().collect())
}
