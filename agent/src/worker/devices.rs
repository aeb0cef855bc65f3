//! Which devices get a worker: a rule over what the worker program lists and what the configuration says.

use super::messages::{DeviceFacts, DeviceKind};
use crate::config::DeviceChoice;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDevice {
    #[error(
        "this machine shows no Vulkan device: install its GPU's driver, or mesa-vulkan-drivers to render in software, \
         and look with `tweenfarm-agent doctor`"
    )]
    NoneAtAll,
    #[error("no Vulkan device has the UUID {wanted}: this machine has {present}")]
    NotHere { wanted: String, present: String },
}

/// The devices to use, in the order they are to be numbered.
pub fn choose(present: &[DeviceFacts], choice: &DeviceChoice) -> Result<Vec<DeviceFacts>, NoDevice> {
    if present.is_empty() {
        return Err(NoDevice::NoneAtAll);
    }
    match choice {
        DeviceChoice::Only(uuids) => uuids.iter().map(|uuid| find(present, uuid)).collect(),
        DeviceChoice::All => {
            let gpus: Vec<_> = present.iter().filter(|device| device.kind != DeviceKind::Cpu).cloned().collect();
            // Two software renderers would share the same cores: one is enough.
            Ok(if gpus.is_empty() { vec![present[0].clone()] } else { gpus })
        }
    }
}

fn find(present: &[DeviceFacts], uuid: &str) -> Result<DeviceFacts, NoDevice> {
    let found = present.iter().find(|device| device.uuid == uuid).cloned();
    found.ok_or_else(|| {
        let names: Vec<String> = present.iter().map(|device| format!("{} ({})", device.uuid, device.name)).collect();
        NoDevice::NotHere { wanted: uuid.to_owned(), present: names.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(uuid: &str, kind: DeviceKind) -> DeviceFacts {
        DeviceFacts { uuid: uuid.to_owned(), name: format!("device {uuid}"), kind }
    }

    #[test]
    fn all_means_every_gpu_and_the_software_renderer_only_without_one() {
        let check = |kinds: &[(&str, DeviceKind)], expected: &[&str]| {
            let present: Vec<_> = kinds.iter().map(|(uuid, kind)| device(uuid, *kind)).collect();
            let chosen = choose(&present, &DeviceChoice::All).unwrap();
            assert_eq!(chosen.iter().map(|device| device.uuid.as_str()).collect::<Vec<_>>(), expected);
        };
        check(&[("a", DeviceKind::Cpu)], &["a"]);
        check(&[("a", DeviceKind::Cpu), ("b", DeviceKind::Discrete)], &["b"]);
        check(&[("a", DeviceKind::Integrated), ("b", DeviceKind::Discrete), ("c", DeviceKind::Cpu)], &["a", "b"]);
        check(&[("a", DeviceKind::Cpu), ("b", DeviceKind::Cpu)], &["a"]);
    }

    #[test]
    fn a_machine_without_a_device_is_told_what_to_install() {
        let error = choose(&[], &DeviceChoice::All).unwrap_err().to_string();
        assert!(error.contains("mesa-vulkan-drivers"), "{error}");
    }

    #[test]
    fn a_named_device_is_taken_even_if_it_is_the_software_renderer_or_refused_by_name() {
        let present = [device("a", DeviceKind::Cpu), device("b", DeviceKind::Discrete)];
        let only = |uuid: &str| choose(&present, &DeviceChoice::Only(vec![uuid.to_owned()]));
        assert_eq!(only("a").unwrap()[0].uuid, "a");
        assert!(only("c").unwrap_err().to_string().contains("a (device a), b (device b)"));
    }

    #[test]
    fn the_kind_of_a_device_of_tomorrow_is_read_as_other() {
        let facts: DeviceFacts = serde_json::from_str(r#"{"uuid":"a","name":"b","kind":"neural"}"#).unwrap();
        assert_eq!(facts.kind, DeviceKind::Other);
    }
}
