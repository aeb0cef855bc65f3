//! The container files of systemd/containers name only what the packages bring and the programs take. Whether they build and
//! run is for `make test-containers`, which needs an engine and a network.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tweenfarm_tests::programs;

/// Package, and the file that is made of it.
const FILES: [(&str, &str); 4] =
    [("tweenfarmd", "daemon"), ("tweenfarm", "console"), ("tweenfarm-watch", "watch"), ("tweenfarm-agent", "agent")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct ContainerFile {
    /// What a reader meets first, without the `#`.
    head: Vec<String>,
    /// Instruction and what follows it, lines that go on joined, comments left out.
    steps: Vec<(String, String)>,
}

fn container_file(name: &str) -> ContainerFile {
    let text = text(&format!("systemd/containers/{name}.Containerfile"));
    let head = text.lines().take_while(|line| line.starts_with('#')).map(|line| line[1..].trim().to_owned()).collect();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let steps =
        joined.lines().filter_map(|line| words(line).split_once(' ').map(|(step, rest)| (step.into(), rest.into())));
    ContainerFile { head, steps: steps.collect() }
}

impl ContainerFile {
    fn all<'a>(&'a self, step: &'a str) -> impl Iterator<Item = &'a str> {
        self.steps.iter().filter(move |(name, _)| name == step).map(|(_, rest)| rest.as_str())
    }

    fn packages(&self) -> BTreeSet<String> {
        let debs = self.all("COPY").flat_map(str::split_whitespace).filter_map(|word| word.strip_suffix("_*.deb"));
        debs.map(str::to_owned).collect()
    }

    /// Variables that are set here and in the lines to run.
    fn variables(&self) -> BTreeMap<String, String> {
        let head = self.head.join(" ");
        let told = head.split_whitespace().zip(head.split_whitespace().skip(1)).filter(|(flag, _)| *flag == "-e");
        let set = self.all("ENV").flat_map(str::split_whitespace).chain(told.map(|(_, variable)| variable));
        set.filter_map(|variable| variable.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// Every path that is started with, or given to, what is started.
    fn paths_started(&self) -> BTreeSet<String> {
        let lists = ["ENTRYPOINT", "CMD", "HEALTHCHECK"].into_iter().flat_map(|step| self.all(step));
        let words = lists.flat_map(|list| list.split('"').skip(1).step_by(2));
        words.filter(|word| word.starts_with('/')).map(str::to_owned).collect()
    }
}

/// Where a package puts what it brings.
fn brought_by(package: &str) -> BTreeSet<String> {
    let files = text(&format!("systemd/deb/{package}/files"));
    let brought = files.lines().filter(|line| !line.starts_with('#'));
    brought.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[test]
fn every_package_has_a_container_file_and_every_container_file_is_known_here() {
    let packages = fs::read_dir(root().join("systemd/deb")).unwrap().map(|entry| entry.unwrap().path());
    let packages =
        packages.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(packages.collect::<BTreeSet<_>>(), FILES.map(|(package, _)| package.to_owned()).into());
    let files = fs::read_dir(root().join("systemd/containers")).unwrap().map(|entry| entry.unwrap().file_name());
    let files = files.filter_map(|name| Some(name.to_str()?.strip_suffix(".Containerfile")?.to_owned()));
    assert_eq!(files.collect::<BTreeSet<_>>(), FILES.map(|(_, file)| file.to_owned()).into());
}

#[test]
fn what_is_started_comes_with_the_packages_that_are_copied() {
    for (package, name) in FILES {
        let file = container_file(name);
        let packages = file.packages();
        assert!(packages.contains(package), "{name} copies {packages:?}");
        let brought: BTreeSet<_> = packages.iter().flat_map(|package| brought_by(package)).collect();
        let started = file.paths_started();
        assert!(!started.is_empty() && started.is_subset(&brought), "{name} starts {started:?} of {brought:?}");
    }
}

#[test]
fn the_programs_take_the_variables_that_are_set_for_them() {
    for (program, name, configuration) in [
        ("tweenfarmd", "daemon", "config/daemon.toml"),
        ("tweenfarm-watch", "watch", "config/watch.toml"),
        ("tweenfarm-agent", "agent", "config/agent.toml"),
    ] {
        let file = container_file(name);
        let mut check = Command::new(programs::find(program).expect("the programs are built"));
        if program == "tweenfarm-agent" {
            check.arg("run");
        }
        let checked = check.arg("--check-config").arg("--config").arg(root().join(configuration)).env_clear();
        let checked = checked.envs(file.variables()).output().unwrap();
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
    let daemon = container_file("daemon");
    let variables = daemon.variables();
    let volumes: BTreeSet<_> = daemon.all("VOLUME").flat_map(str::split_whitespace).collect();
    for (variable, socket) in variables.iter().filter(|(variable, _)| variable.ends_with("SOCKET")) {
        // Other containers reach a socket by the volume it lies in.
        let folder = Path::new(socket).parent().and_then(Path::to_str).unwrap();
        assert!(volumes.contains(folder), "{variable}={socket} is in none of {volumes:?}");
    }
    for needed in ["TWEENFARMD__HTTP__PUBLIC_URL", "TWEENFARMD__RPC__PUBLIC_ADDRESS", "TWEENFARMD__OPERATOR__SOCKET"] {
        assert!(variables.contains_key(needed), "{needed} is not among {variables:?}");
    }
}

#[test]
fn a_container_runs_as_a_user_whose_number_stays_and_who_owns_its_volumes() {
    for (_, name) in FILES {
        let file = container_file(name);
        let run = file.all("RUN").collect::<Vec<_>>().join(" && ");
        let user = file.all("USER").last().unwrap_or_else(|| panic!("{name} runs as root"));
        let made = run.split("&&").any(|step| step.contains("useradd --uid ") && step.trim().ends_with(user));
        assert!(made, "{name} does not make the user {user} with a number of its own");
        // A new volume takes owner and rights of the folder it is mounted on.
        let own = format!("install -d -o {user} -g {user} -m 0700 ");
        let owned = run.split("&&").filter_map(|step| step.trim().strip_prefix(&own)).flat_map(str::split_whitespace);
        let owned: BTreeSet<_> = owned.collect();
        let volumes: BTreeSet<_> = file.all("VOLUME").flat_map(str::split_whitespace).collect();
        assert_eq!(owned, volumes, "{name}");
        for volume in volumes {
            let lines = file.head.join(" ");
            assert!(lines.contains(&format!(":{volume} ")), "the lines of {name} mount nothing at {volume}");
        }
    }
}

#[test]
fn the_large_layer_is_the_same_in_all_images_that_have_it() {
    let first = |name| container_file(name).all("RUN").next().map(str::to_owned);
    let [daemon, watch, agent] = ["daemon", "watch", "agent"].map(first);
    assert!(daemon.as_ref().is_some_and(|layer| layer.contains(" ffmpeg ")));
    assert_eq!(daemon, watch);
    assert_eq!(daemon, agent);
}

#[test]
fn a_file_begins_with_the_lines_to_build_and_to_run_it() {
    for (package, name) in FILES {
        let lines = container_file(name).head.join("\n");
        let build = format!("-f systemd/containers/{name}.Containerfile -t {package} target/deb");
        assert!(lines.contains(&build) && lines.contains("podman run "), "{name} begins with:\n{lines}");
    }
}
