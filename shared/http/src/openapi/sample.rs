//! What examples tell of: the service and the user of the README's walk.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// `walk.example`'s service.
pub const SERVICE: Uuid = Uuid::from_u128(0x02e9_e262_7249_52a8_8184_8d09_f020_3163);
/// Zoe.
pub const USER: Uuid = Uuid::from_u128(0x019a_b6f2_7c40_7d3e_9a51_3f0c_5b8e_2d17);
/// A command.
pub const COMMAND: Uuid = Uuid::from_u128(0x7c9e_6679_7425_50de_944b_e07f_c1f9_0ae7);
/// A request.
pub const REQUEST: &str = "2c5ea4c0-4067-41fe-8bad-9b1deb4d3b7d";
/// An instant: 2026-11-24T12:03:04.123456Z.
pub const INSTANT: DateTime<Utc> =
    DateTime::from_timestamp_micros(1_795_521_784_123_456).expect("an instant of our days");

#[cfg(test)]
mod tests {
    use domain::{DomainName, ServiceId};

    #[test]
    fn the_service_is_the_one_of_its_domain() {
        assert_eq!(ServiceId::of(&DomainName::parse("walk.example").unwrap()).uuid(), super::SERVICE);
    }
}
