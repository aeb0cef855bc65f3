//! The rule of outbound requests: which URLs and which addresses may be asked. Pure; resolves no name.
//!
//! A farm stands in somebody's network. Without a rule a client could have it read the router's pages, a neighbour's
//! printer or a cloud's metadata, and tell what they said.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// What the operator allows besides the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundRules {
    /// Private networks of either family; not this machine itself, nor link-local addresses.
    pub allow_lan: bool,
    /// These, whatever they are.
    pub networks: Vec<IpNet>,
}

/// Why a URL is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is not a URL")]
    NotAUrl,
    #[error("its scheme must be http or https")]
    Scheme,
    #[error("it must not hold a user name or a password")]
    Credentials,
    #[error("port {0} is not one that this farm asks: 80, 443 and those from 1024 are")]
    Port(u16),
    #[error("its host is not in a network that this farm asks")]
    Address,
    #[error("it is longer than {URL_BYTES_MAX} bytes")]
    Long,
}

const URL_BYTES_MAX: usize = 2048;
/// Below are the system's own services, which may take a request for one of theirs.
const FIRST_FREE_PORT: u16 = 1024;

impl OutboundRules {
    /// What can be said of a URL before its host is resolved.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(Refused::Long);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !matches!(port, 80 | 443 | FIRST_FREE_PORT..) {
            return Err(Refused::Port(port));
        }
        let allowed = match url.host() {
            Some(Host::Ipv4(address)) => self.allows(address.into()),
            Some(Host::Ipv6(address)) => self.allows(address.into()),
            Some(Host::Domain(name)) => !name.is_empty(),
            None => false,
        };
        if allowed { Ok(()) } else { Err(Refused::Address) }
    }

    /// Whether a connection to the address may be made.
    pub fn allows(&self, address: IpAddr) -> bool {
        // ::ffff:10.0.0.1 reaches 10.0.0.1.
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
            || is_public(address)
            || self.allow_lan && is_lan(address)
    }
}

/// Whether two addresses share their first `bits`.
fn within_v4(address: Ipv4Addr, network: [u8; 4], bits: u32) -> bool {
    (address.to_bits() ^ Ipv4Addr::from(network).to_bits()) >> (32 - bits) == 0
}

fn within_v6(address: Ipv6Addr, network: [u16; 8], bits: u32) -> bool {
    (address.to_bits() ^ Ipv6Addr::from(network).to_bits()) >> (128 - bits) == 0
}

/// Private networks (RFC 1918, 6598, 4193).
fn is_lan(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || within_v4(v4, [100, 64, 0, 0], 10),
        // fd00:ec2::254 is a cloud's metadata service, as 169.254.169.254 is.
        IpAddr::V6(v6) => v6.is_unique_local() && !within_v6(v6, [0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0], 32),
    }
}

/// Whether an address is one of the public internet: what the registries of special-purpose addresses (RFC 6890 and
/// its followers) leave over.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let special = [
                ([0, 0, 0, 0], 8),
                ([10, 0, 0, 0], 8),
                ([100, 64, 0, 0], 10),
                ([127, 0, 0, 0], 8),
                ([169, 254, 0, 0], 16),
                ([172, 16, 0, 0], 12),
                ([192, 0, 0, 0], 24),
                ([192, 0, 2, 0], 24),
                ([192, 88, 99, 0], 24),
                ([192, 168, 0, 0], 16),
                ([198, 18, 0, 0], 15),
                ([198, 51, 100, 0], 24),
                ([203, 0, 113, 0], 24),
                // Multicast, reserved, broadcast.
                ([224, 0, 0, 0], 3),
            ];
            !special.into_iter().any(|(network, bits)| within_v4(v4, network, bits))
        }
        IpAddr::V6(v6) => {
            // Everything public is in 2000::/3. What translates to IPv4 in it (6to4, Teredo) may lead anywhere.
            let special = [
                ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
                ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 0], 32),
                ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
                ([0x3FFF, 0, 0, 0, 0, 0, 0, 0], 20),
            ];
            within_v6(v6, [0x2000, 0, 0, 0, 0, 0, 0, 0], 3)
                && !special.into_iter().any(|(network, bits)| within_v6(v6, network, bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow_lan: bool, networks: &[&str]) -> OutboundRules {
        OutboundRules { allow_lan, networks: networks.iter().map(|network| network.parse().unwrap()).collect() }
    }

    #[test]
    fn only_the_public_internet_is_asked_unless_the_operator_says_more() {
        // Public, of the local network, of neither.
        for (address, public, lan) in [
            ("93.184.216.34", true, true),
            ("1.1.1.1", true, true),
            ("223.255.255.254", true, true),
            ("2606:4700::1111", true, true),
            ("10.0.0.1", false, true),
            ("172.16.0.1", false, true),
            ("172.31.255.255", false, true),
            ("172.32.0.1", true, true),
            ("192.168.1.10", false, true),
            ("100.64.0.1", false, true),
            ("100.128.0.1", true, true),
            ("fd12:3456::1", false, true),
            ("fc00::1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("::ffff:93.184.216.34", true, true),
            ("127.0.0.1", false, false),
            ("127.255.255.255", false, false),
            ("::ffff:127.0.0.1", false, false),
            ("::1", false, false),
            ("::", false, false),
            ("::127.0.0.1", false, false),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("fd00:ec2::254", false, false),
            ("192.0.0.8", false, false),
            ("192.0.2.1", false, false),
            ("198.19.255.255", false, false),
            ("203.0.113.9", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("240.0.0.1", false, false),
            ("ff02::1", false, false),
            ("64:ff9b::7f00:1", false, false),
            ("2002:7f00:1::", false, false),
            ("2001::1", false, false),
            ("2001:db8::1", false, false),
            ("100::1", false, false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(rules(false, &[]).allows(address), public, "{address}");
            assert_eq!(rules(true, &[]).allows(address), lan, "{address} with the local network");
        }
        let named = rules(false, &["127.0.0.1/32", "fd00::/8"]);
        assert!(named.allows("127.0.0.1".parse().unwrap()) && named.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!named.allows("127.0.0.2".parse().unwrap()) && named.allows("fd00:ec2::254".parse().unwrap()));
    }

    #[test]
    fn a_url_is_refused_for_what_is_wrong_with_it() {
        let check = |text: &str, expected: Result<(), Refused>| {
            let url: Url = text.parse().unwrap();
            assert_eq!(rules(false, &[]).check(&url), expected, "{text}");
        };
        check("https://clips.example.org/a.mp4?x=1", Ok(()));
        check("http://clips.example.org:8080/", Ok(()));
        check("ftp://clips.example.org/", Err(Refused::Scheme));
        check("file:///etc/passwd", Err(Refused::Scheme));
        check("data:video/mp4;base64,AAAA", Err(Refused::Scheme));
        check("http://ann:secret@clips.example.org/", Err(Refused::Credentials));
        check("http://ann@clips.example.org/", Err(Refused::Credentials));
        check("http://clips.example.org:22/", Err(Refused::Port(22)));
        check("http://clips.example.org:0/", Err(Refused::Port(0)));
        check("http://127.0.0.1:8080/", Err(Refused::Address));
        // The same address in other spellings.
        for text in ["http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://[::ffff:7f00:1]/"] {
            check(text, Err(Refused::Address));
        }
        check("http://169.254.169.254/latest/meta-data/", Err(Refused::Address));
        check(&format!("http://clips.example.org/{}", "a".repeat(2048)), Err(Refused::Long));
    }
}
