//! A farm with folders beside it that a watcher looks after: what the tests of watch folders have in common.

use crate::{
    client::Client,
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
    watcher::Watcher,
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tweenfarm_protocol::Rational;

const PAYER: &str = "folders@example.org";
const GRANT: i64 = 100;

pub struct Scene {
    pub farm: Farm,
    client: Client,
    root: PathBuf,
}

impl Scene {
    /// A farm with these folders beside it.
    pub async fn new(folders: &[&str]) -> Scene {
        Scene::over(Farm::with_agent(settings()).await.expect("a farm"), folders).await
    }

    /// The same with a farm that has no agent: jobs wait.
    pub async fn idle(folders: &[&str]) -> Scene {
        Scene::over(Farm::start(settings()).await.expect("a farm"), folders).await
    }

    async fn over(farm: Farm, folders: &[&str]) -> Scene {
        let client = farm.client(PAYER, GRANT).await.expect("an account");
        let root = farm.folder().join("media");
        for folder in folders {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        Scene { farm, client, root }
    }

    pub fn rule(&self, name: &str, more: &str) -> String {
        let folder = self.root.join(name);
        format!(
            "[[rule]]\nname = {name:?}\nfolder = {folder:?}\ntarget = 60\naccount = {PAYER:?}\nsettle_seconds = 1\n{more}\n"
        )
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn watcher(&self, rules: &str) -> Watcher {
        let operator = self.farm.operator().expect("the operator's socket");
        Watcher::start(self.farm.folder(), &self.farm.intake_socket(), operator, rules).expect("a watcher")
    }

    /// A watcher that may read no more than the owner of its files may.
    pub fn watcher_without_rights(&self, rules: &str) -> Watcher {
        let operator = self.farm.operator().expect("the operator's socket");
        let (folder, socket) = (self.farm.folder(), self.farm.intake_socket());
        Watcher::without_rights(folder, &socket, operator, rules).expect("a watcher")
    }

    pub fn doomed(&self, rules: &str, point: &str) -> Watcher {
        let operator = self.farm.operator().expect("the operator's socket");
        Watcher::doomed(self.farm.folder(), &self.farm.intake_socket(), operator, rules, point).expect("a watcher")
    }

    /// A clip of one second, unlike all others of its number of frames.
    pub fn clip(&self, name: &str, rate: u32) -> PathBuf {
        let path = self.farm.folder().join(name);
        let rate = rate.to_string();
        clips::make(&path, Recipe { rate: &rate, ..Recipe::default() }).expect("ffmpeg makes a clip");
        path
    }

    pub async fn spent(&self) -> i64 {
        GRANT - self.client.me().await.expect("the account").balance_xeconds
    }
}

fn settings() -> Settings {
    Settings { intake_accounts: vec![PAYER.to_owned()], ..Settings::default() }
}

/// The result is what was promised of the source at 60 frames per second.
pub fn is_right(source: &Path, result: &Path) {
    let broken = broken_promises(
        &inspect(source).expect("the source"),
        &inspect(result).expect("the result"),
        Rational::whole(60),
    );
    assert!(broken.is_empty(), "{}: {}", result.display(), broken.join("; "));
}

/// What is in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
