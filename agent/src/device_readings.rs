//! How warm and how busy the devices are, where the machine tells: AMD and Intel by the kernel's files, NVIDIA by
//! `nvidia-smi`. What is not told is left out; nothing here keeps a device from working.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;
use tweenfarm_protocol::service::{DeviceReading, WorkerFacts};

const CARDS: &str = "/sys/class/drm";
/// There is an NVIDIA driver.
const NVIDIA: &str = "/proc/driver/nvidia";
/// A driver that hangs is not waited for.
const NVIDIA_SMI: Duration = Duration::from_secs(4);

/// Of the devices of these workers, each once, as far as it is told.
pub async fn look(workers: &[WorkerFacts]) -> Vec<DeviceReading> {
    let mut devices: Vec<Device> = workers.iter().map(Device::of).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut readings = of_cards(&cards(Path::new(CARDS)), &devices);
    if Path::new(NVIDIA).exists() {
        let told = nvidia_smi().await.map(|text| of_nvidia(&text)).unwrap_or_default();
        readings.extend(told.into_iter().filter(|told| devices.iter().any(|device| device.uuid == told.device_uuid)));
    }
    readings
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    uuid: String,
    /// Rendered by the processor: none of the kernel's cards.
    is_software: bool,
}

impl Device {
    fn of(worker: &WorkerFacts) -> Device {
        Device { uuid: worker.device_uuid.clone(), is_software: worker.device_name.contains("llvmpipe") }
    }
}

/// A card of the kernel's, with what its files say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card {
    /// `0000:03:00.0`
    address: String,
    celsius: Option<u32>,
    busy_percent: Option<u8>,
}

/// Cards that say anything; their outputs (`card0-HDMI-A-1`) are none.
fn cards(root: &Path) -> Vec<Card> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_card = |name: &str| {
        name.strip_prefix("card").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let folders = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_card));
    let mut cards: Vec<Card> = folders.filter_map(|entry| card(&entry.path().join("device"))).collect();
    cards.sort_by(|one, other| one.address.cmp(&other.address));
    cards
}

fn card(device: &Path) -> Option<Card> {
    let address = fs::canonicalize(device).ok()?.file_name()?.to_str()?.to_owned();
    let busy_percent = number(&device.join("gpu_busy_percent")).map(|percent: u8| percent.min(100));
    let monitors = fs::read_dir(device.join("hwmon")).into_iter().flatten().flatten();
    let monitors: Vec<PathBuf> = monitors.map(|entry| entry.path().join("temp1_input")).collect();
    let celsius = monitors.iter().find_map(|path| number::<i64>(path)).map(whole_degrees);
    (celsius.is_some() || busy_percent.is_some()).then_some(Card { address, celsius, busy_percent })
}

/// The kernel counts in thousandths.
fn whole_degrees(thousandths: i64) -> u32 {
    u32::try_from((thousandths.max(0) + 500) / 1000).unwrap_or(u32::MAX)
}

fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// AMD's driver makes a device's UUID of its address; of another one nobody but the only card can be meant.
fn of_cards(cards: &[Card], devices: &[Device]) -> Vec<DeviceReading> {
    let hardware: Vec<&Device> = devices.iter().filter(|device| !device.is_software).collect();
    let only = (cards.len() == 1 && hardware.len() == 1).then(|| &cards[0]);
    let of = |device: &&Device| {
        let address = address_in(&device.uuid);
        let card = cards.iter().find(|card| Some(&card.address) == address.as_ref()).or(only)?;
        let (device_uuid, celsius, busy_percent) = (device.uuid.clone(), card.celsius, card.busy_percent);
        Some(DeviceReading { device_uuid, celsius, busy_percent })
    };
    hardware.iter().filter_map(of).collect()
}

/// Domain, bus, device and function as four little-endian words.
fn address_in(uuid: &str) -> Option<String> {
    let bytes = hex::decode(uuid).ok().filter(|bytes| bytes.len() == 16)?;
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (domain, bus, device, function) = (word(0)?, word(4)?, word(8)?, word(12)?);
    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

async fn nvidia_smi() -> Option<String> {
    let mut child = Command::new("nvidia-smi");
    child.args(["--query-gpu=uuid,temperature.gpu,utilization.gpu", "--format=csv,noheader,nounits"]);
    child.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(NVIDIA_SMI, child.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lines such as `GPU-5a3c…-…, 41, 87`; what a card does not tell stands there as `[N/A]`.
fn of_nvidia(text: &str) -> Vec<DeviceReading> {
    let reading = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        let device_uuid = fields.next()?.strip_prefix("GPU-")?.replace('-', "").to_ascii_lowercase();
        let (celsius, busy_percent) = (fields.next()?.parse().ok(), fields.next()?.parse().ok());
        Some(DeviceReading { device_uuid, celsius, busy_percent })
    };
    text.lines().filter_map(reading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(uuid: &str) -> Device {
        Device { uuid: uuid.to_owned(), is_software: false }
    }

    /// A card as the kernel shows it: a link into the tree of devices.
    fn put(root: &Path, name: &str, address: &str, files: &[(&str, &str)]) {
        let device = root.join("devices").join(address);
        for (file, text) in files {
            let path = device.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(root.join("drm").join(name)).unwrap();
        std::os::unix::fs::symlink(device, root.join("drm").join(name).join("device")).unwrap();
    }

    #[test]
    fn a_card_is_known_by_its_address_and_the_only_one_is_nobody_elses() {
        let root = tempfile::tempdir().unwrap();
        let amd = [("gpu_busy_percent", "87\n"), ("hwmon/hwmon3/temp1_input", "61499\n")];
        put(root.path(), "card1", "0000:03:00.0", &amd);
        put(root.path(), "card0-HDMI-A-1", "0000:04:00.0", &amd);
        put(root.path(), "card2", "0000:05:00.0", &[("vendor", "0x1a03\n")]);
        let found = cards(&root.path().join("drm"));
        let card = Card { address: "0000:03:00.0".into(), celsius: Some(61), busy_percent: Some(87) };
        assert_eq!(found, std::slice::from_ref(&card), "outputs, and cards that say nothing, are left out");

        let (by_address, other) = ("00000000030000000000000000000000", "86800000000000000000000000000007");
        let reading =
            |uuid: &str| DeviceReading { device_uuid: uuid.into(), celsius: Some(61), busy_percent: Some(87) };
        let software = Device { uuid: "6d657361".into(), is_software: true };
        assert_eq!(of_cards(&found, &[device(by_address), device(other)]), [reading(by_address)]);
        assert_eq!(of_cards(&found, &[device(other), software.clone()]), [reading(other)]);
        assert_eq!(of_cards(&found, &[software]), []);
        let second = Card { address: "0000:06:00.0".into(), ..card };
        assert_eq!(of_cards(&[found[0].clone(), second], &[device(other)]), [], "it could be either");
        assert_eq!(cards(Path::new("/nonexistent")), []);
    }

    #[test]
    fn what_nvidia_smi_prints_is_read_line_by_line() {
        let text = "GPU-5A3C0B1E-8f00-11ee-b962-0242ac120002, 41, 87\nGPU-00000000-0000-0000-0000-000000000001, [N/A], 0\nno devices\n";
        let reading =
            |uuid: &str, celsius, busy| DeviceReading { device_uuid: uuid.into(), celsius, busy_percent: Some(busy) };
        let expected = [
            reading("5a3c0b1e8f0011eeb9620242ac120002", Some(41), 87),
            reading("00000000000000000000000000000001", None, 0),
        ];
        assert_eq!(of_nvidia(text), expected);
    }
}
