//! Tells the local network where this daemon is, by mDNS. It is a hint that anybody could give: agents believe the
//! authority's hash of their invitation, not this.

use mdns_sd::{ServiceDaemon, ServiceInfo};
use tweenfarm_protocol::join::{DISCOVERY_NAME, Fingerprint};

/// Told until it is dropped.
pub struct Announcement {
    mdns: ServiceDaemon,
    name: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the local network could not be told where this daemon is")]
pub struct AnnouncementError(#[from] mdns_sd::Error);

impl Announcement {
    /// On all interfaces, with whatever addresses they have and get.
    pub fn start(host_name: &str, port: u16, authority: Fingerprint) -> Result<Announcement, AnnouncementError> {
        let mdns = ServiceDaemon::new()?;
        let instance = format!("tweenfarm on {host_name}");
        let authority = authority.to_string();
        let properties = [("authority", authority.as_str())];
        let host = format!("{host_name}.local.");
        let service = ServiceInfo::new(DISCOVERY_NAME, &instance, &host, "", port, &properties[..])?.enable_addr_auto();
        let name = service.get_fullname().to_owned();
        mdns.register(service)?;
        Ok(Announcement { mdns, name })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Best effort: what is not withdrawn runs out by itself.
        let _ = self.mdns.unregister(&self.name);
        let _ = self.mdns.shutdown();
    }
}
