use super::*;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Farm {
    http: Http,
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Http {
    listen: String,
    limit: u64,
    proxy: bool,
    hosts: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    target: Target,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged, expecting = "a rate or a word")]
enum Target {
    Rate(u32),
    Word(String),
}

fn read(text: &str, variables: &[(&str, &str)], flag: Option<&str>) -> Result<Farm, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("farm.toml");
    std::fs::write(&file, text).unwrap();
    let layers = Layers {
        file: Some(file),
        prefix: "FARM",
        environment: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        flags: vec![Flag { key: "http.listen", name: "--listen", value: flag.map(str::to_owned) }],
        lists: &[("http.hosts", ',')],
        accepted: |key| (key == "http.hosts").then_some("names of hosts"),
    };
    let read = layers.read::<Farm>().map(|(farm, _)| farm);
    let folder = format!("{}/", folder.path().display());
    read.map_err(|error| error.to_string().replace(&folder, ""))
}

#[test]
fn a_later_layer_wins_and_variables_are_read_as_their_key_says() {
    let variables =
        [("FARM__HTTP__LIMIT", "7"), ("FARM__HTTP__PROXY", "true"), ("FARM__HTTP__HOSTS", "a, b"), ("FARMER", "x")];
    let farm = read("[http]\nlisten = 'file'\nlimit = 5\n", &variables, None).unwrap();
    let hosts = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(farm.http, Http { listen: "file".into(), limit: 7, proxy: true, hosts });
    let farm = read("[http]\nlisten = 'file'\n", &[("FARM__HTTP__LISTEN", "12")], None).unwrap();
    assert_eq!(farm.http.listen, "12");
    assert_eq!(read("", &[("FARM__HTTP__LISTEN", "a")], Some("flag")).unwrap().http.listen, "flag");
}

#[test]
fn a_refusal_names_file_line_key_value_and_what_would_be_accepted() {
    let check = |text: &str, expected: &str| assert_eq!(read(text, &[], None).unwrap_err(), expected);
    check("[http]\nlimit = 1\nproxy = 'on'\n", "farm.toml:3: http.proxy = 'on': true or false");
    check("# one\n\n[http]\nlimit = -1\n", "farm.toml:4: http.limit = -1: a whole number, 0 or more");
    check("http.limit = 1.5\n", "farm.toml:1: http.limit = 1.5: a whole number, 0 or more");
    check("[http]\nlimit = \"many\"\n", "farm.toml:2: http.limit = \"many\": a whole number, 0 or more");
    check("[http]\nlisten = 80\n", "farm.toml:2: http.listen = 80: a text in quotes");
    check("[http]\nhosts = [\n  'a',\n  1,\n]\n", "farm.toml:2: http.hosts = [ 'a', 1, ]: names of hosts");
    check(
        "[http]\nlisen = 'x'\n",
        "farm.toml:2: unknown key `http.lisen`; known here: `listen`, `limit`, `proxy`, `hosts`",
    );
    check("\n[htpp]\nlisten = 'x'\n", "farm.toml:2: unknown key `htpp`; known here: `http` or `rule`");
    check("[[rule]]\nname = 'a'\ntarget = 1\n[[rule]]\nname = 'b'\n", "farm.toml:4: rule[1].target: has to be there");
    check("[[rule]]\nname = 'a'\ntarget = []\n", "farm.toml:3: rule[0].target = []: a rate or a word");
    assert!(read("[http]\nlimit = \n", &[], None).unwrap_err().starts_with("farm.toml:2: is not valid TOML: "));
    assert!(
        read("[http]\nlimit = 1\nlimit = 2\n", &[], None).unwrap_err().starts_with("farm.toml:3: is not valid TOML: ")
    );
}

#[test]
fn a_refusal_names_the_variable() {
    let check = |name: &str, value: &str, expected: &str| {
        assert_eq!(read("[http]\nlimit = 1\n", &[(name, value)], None).unwrap_err(), expected);
    };
    check(
        "FARM__HTTP__LIMIT",
        "many",
        "the environment's FARM__HTTP__LIMIT: http.limit = \"many\": a whole number, 0 or more",
    );
    check("FARM__HTTP__PROXY", "maybe", "the environment's FARM__HTTP__PROXY: http.proxy = \"maybe\": true or false");
    check(
        "FARM__HTTP__LISEN",
        "x",
        "the environment's FARM__HTTP__LISEN: unknown key `http.lisen`; known here: `listen`, `limit`, `proxy`, `hosts`",
    );
    check("FARM__A[", "x", "the environment's FARM__A[: unknown key `a[`; no key has such a name");
}

#[test]
fn what_is_written_nowhere_is_looked_for_where_it_would_stand() {
    let mut written = Written::of_file(Some(Path::new("f.toml")));
    lines::note(&mut written, Path::new("f.toml"), "[http]\nlisten = 'a'\n[[rule]]\n[[rule]]\nname = 'x'\n");
    let check = |key: &str, expected: &str| assert_eq!(written.place(key).to_string(), expected, "{key}");
    check("http.listen", "f.toml:2");
    check("http.limit", "f.toml:1");
    check("rule[0].name", "f.toml:3");
    check("rule[1].name", "f.toml:5");
    check("state.folder", "f.toml");
    assert_eq!(Written::of_file(None).place("state.folder"), Place::Defaults);
    assert_eq!((written.value("http.listen"), written.value("http.limit")), ("'a'", "nothing"));
}
