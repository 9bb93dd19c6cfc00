//! Where a hit came from.

use std::net::{IpAddr, Ipv4Addr};

/// Whose network an address is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// A company that inspects mail.
    Gateway,
    Apple,
    Other,
}

/// Networks that companies name to their customers as those of their gateways,
/// with the bits that all addresses of one share. Who clicks in a letter that
/// was inspected comes from elsewhere: gateways send people on.
const GATEWAYS: &[(Ipv4Addr, u32)] = &[
    // Barracuda.
    (Ipv4Addr::new(64, 235, 144, 0), 20),
    (Ipv4Addr::new(209, 222, 80, 0), 21),
    // Mimecast.
    (Ipv4Addr::new(91, 220, 42, 0), 24),
    // Proofpoint.
    (Ipv4Addr::new(67, 231, 144, 0), 20),
    (Ipv4Addr::new(148, 163, 128, 0), 19),
    (Ipv4Addr::new(205, 220, 160, 0), 19),
];

const APPLE: (Ipv4Addr, u32) = (Ipv4Addr::new(17, 0, 0, 0), 8);

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        let IpAddr::V4(address) = address.to_canonical() else { return Self::Other };
        if GATEWAYS.iter().any(|network| holds(*network, address)) {
            Self::Gateway
        } else if holds(APPLE, address) {
            Self::Apple
        } else {
            Self::Other
        }
    }
}

fn holds((network, bits): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= bits
}

/// The neighbourhood of an address, in which one machine's hits come from
/// several: 24 bits of IPv4, 48 of IPv6, which is what one site has.
pub(super) fn near(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u128::from(address.to_bits() >> 8)),
        IpAddr::V6(address) => (true, address.to_bits() >> 80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_end_where_they_end() {
        let check = |address: &str, expected: Network| {
            assert_eq!(Network::of(address.parse().unwrap()), expected, "{address}");
        };
        check("209.222.80.0", Network::Gateway);
        check("209.222.87.255", Network::Gateway);
        check("209.222.88.0", Network::Other);
        check("209.222.79.255", Network::Other);
        check("::ffff:148.163.159.255", Network::Gateway);
        check("148.163.160.0", Network::Other);
        check("17.58.0.1", Network::Apple);
        check("2001:db8::1", Network::Other);
    }

    #[test]
    fn neighbours_share_24_or_48_bits() {
        let check = |a: &str, b: &str, expected: bool| {
            assert_eq!(near(a.parse().unwrap()) == near(b.parse().unwrap()), expected, "{a} and {b}");
        };
        check("203.0.113.1", "203.0.113.254", true);
        check("203.0.113.1", "203.0.112.1", false);
        check("203.0.113.1", "::ffff:203.0.113.9", true);
        check("2001:db8:1:2::1", "2001:db8:1:3::9", true);
        check("2001:db8:1::1", "2001:db8:2::1", false);
    }
}
