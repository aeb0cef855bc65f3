//! Where compiled shaders are kept from one run to the next, so that a warm start takes no compiler.
//!
//! A file is one device's and one engine's; that it is the driver's too the driver checks itself, and passes over what
//! is not.

use std::path::{Path, PathBuf};
use tweenfarm_shaders::ENGINE;

/// The file in `folder` of a device; `None` stands for the best there is. Makes the folder.
pub fn file_in(folder: &Path, uuid: Option<&str>) -> PathBuf {
    // Without the folder the shaders are compiled again at every start, and the engine says so.
    let _ = std::fs::create_dir_all(folder);
    folder.join(format!("pipelines-{}-{}.bin", ENGINE.replace(' ', "-"), uuid.unwrap_or("best")))
}

/// The same in the folder for caches of whoever runs this, if there is one.
pub fn file_of_user(uuid: Option<&str>) -> Option<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    cache.is_absolute().then(|| file_in(&cache.join("tweenfarm").join("shaders"), uuid))
}
