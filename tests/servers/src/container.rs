//! A server as a container on the host's network, by the `docker` command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::until::until;
use crate::{children, home};

/// The label of our containers. Its value is the folder of the process that started them.
pub(crate) const LABEL: &str = "postkey.test.servers";

/// What makes the images where they can't be pulled.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/images/build.sh");

/// What to make a container of.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) image: &'static str,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// A path in the container, for a volume that goes with the container.
    pub(crate) volume: &'static str,
    /// A file of this machine and where it is copied to.
    pub(crate) file: Option<(String, &'static str)>,
    /// A folder of this machine that can be read at the same path.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) arguments: Vec<String>,
}

/// A container, which ends with this value.
#[derive(Debug)]
pub(crate) struct Container(String);

impl Container {
    /// One that isn't started.
    pub(crate) fn new(recipe: &Recipe) -> Self {
        provide_image(recipe.image);
        let (label, owner) = container_label();
        let label = format!("{label}={owner}");
        let mut command = Command::new("docker");
        command.args(["create", "--network", "host", "--label", &label, "--volume", recipe.volume]);
        for (name, value) in &recipe.environment {
            command.args(["--env", &format!("{name}={value}")]);
        }
        if let Some(folder) = &recipe.folder {
            command.args(["--volume", &format!("{0}:{0}:ro", folder.display())]);
        }
        command.arg(recipe.image).args(&recipe.arguments);
        let container = Self(succeed(&mut command).trim().to_owned());
        if let Some((from, to)) = &recipe.file {
            container.take(Path::new(from), to);
        }
        container
    }

    /// Starts it, anew after [`Container::kill`] and [`Container::stop`], with what it had written.
    pub(crate) fn start(&mut self) {
        docker(&["start", &self.0]);
    }

    /// Whether it was started and has not ended.
    pub(crate) fn runs(&self) -> bool {
        self.is("{{.State.Running}}")
    }

    /// SIGKILL. One that does not run is left alone.
    pub(crate) fn kill(&mut self) {
        if self.runs() {
            docker(&["kill", &self.0]);
        }
    }

    /// The image's stop signal, and up to 60 s for what it does then.
    pub(crate) fn stop(&mut self) {
        self.resume();
        docker(&["stop", "--time", "60", &self.0]);
    }

    /// Freezes all its processes.
    pub(crate) fn pause(&self) {
        docker(&["pause", &self.0]);
    }

    /// Lets them go on. One that isn't paused goes on.
    pub(crate) fn resume(&self) {
        if self.is("{{.State.Paused}}") {
            docker(&["unpause", &self.0]);
        }
    }

    /// SIGHUP.
    pub(crate) fn reload(&self) {
        docker(&["kill", "--signal", "HUP", &self.0]);
    }

    /// Copies a file of this machine into it.
    pub(crate) fn take(&self, from: &Path, to: &str) {
        docker(&["cp", &from.display().to_string(), &format!("{}:{to}", self.0)]);
    }

    /// Removes it with what it wrote.
    pub(crate) fn remove(&mut self) {
        let _ = output(Command::new("docker").args(["rm", "--force", "--volumes", &self.0]));
    }

    /// What a command in it prints. As with a process that stands still, a paused one's answer comes when it goes on.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        // Docker refuses to run a command in a paused container.
        let awake = until(|| (!self.is("{{.State.Paused}}")).then_some(()));
        assert!(awake.is_some(), "it is paused");
        let mut command = Command::new("docker");
        command.args(["exec", &self.0]).args(arguments);
        output(&mut command)
    }

    /// The last of what it wrote.
    pub(crate) fn log(&self) -> String {
        let log = output(Command::new("docker").args(["logs", "--tail", "80", &self.0]));
        [log.stdout, log.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
    }

    fn is(&self, field: &str) -> bool {
        docker(&["inspect", "--format", field, &self.0]).trim() == "true"
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Runs a shell script in a container of its own that is gone afterwards, on the host's network, as root. It is given a
/// folder of files.
pub(crate) fn run_script(image: &str, script: &Path, files: &Path, environment: &[(&str, &str)]) -> Output {
    let (label, owner) = container_label();
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--network", "host", "--user", "0", "--entrypoint", "sh"]);
    command.args(["--label", &format!("{label}={owner}")]);
    command.args(["--volume", &format!("{}:/script:ro", script.display())]);
    command.args(["--volume", &format!("{}:/files:ro", files.display())]);
    for (name, value) in environment {
        command.args(["--env", &format!("{name}={value}")]);
    }
    output(command.args([image, "/script", "/files"]))
}

/// Whether there is a `docker` command and a daemon that answers it; asked once a process.
pub fn docker_answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    *ANSWERS.get_or_init(|| {
        let mut command = Command::new("docker");
        command.args(["version", "--format", "{{.Server.Version}}"]);
        command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
    })
}

/// The label, as a name and a value, of a container that this process makes by other means than this crate's: it is removed
/// when the process has ended, whichever way.
pub fn container_label() -> (&'static str, String) {
    let own = home::own();
    // Who removes what we leave asks Docker only where there is something.
    let mark = own.join("containers");
    fs::write(&mark, "").unwrap_or_else(|error| panic!("{}: {error}", mark.display()));
    (LABEL, own.display().to_string())
}

/// A name, not given before, for a network, an image or a project of Docker Compose that this process makes: whatever is
/// named so, or so and more behind `-` or `_`, is removed when the process has ended, whichever way.
pub fn container_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (_, own) = container_label();
    format!("{}{}", names_of(Path::new(&own)), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Removes all that has this [name](container_name): containers, networks, volumes, the image.
pub fn remove_named(name: &str) {
    remove(None, &format!("name=^{name}([_-]|$)"), &format!("{name}:*"));
}

/// What is named so: a line for each container, network and volume.
///
/// # Panics
/// When Docker can't be asked.
pub fn named(name: &str) -> Vec<String> {
    let filter = format!("name=^{name}([_-]|$)");
    let all = [
        &["ps", "--all", "--format", "{{.Names}}"][..],
        &["network", "ls", "--format", "{{.Name}}"],
        &["volume", "ls", "--quiet"],
    ];
    let listed = all.map(|list| docker(&[list, &["--filter", &filter]].concat()));
    listed.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
}

/// What the names of a process's networks, projects and images begin with.
pub(crate) fn names_of(folder: &Path) -> String {
    let process = folder.file_name().unwrap_or_default().display();
    format!("postkey-test-{}-{process}-", children::euid())
}

/// Removes all that is of the process whose folder this was, where Docker answers.
pub(crate) fn remove_of(folder: &Path) {
    if !docker_answers() {
        return;
    }
    let names = names_of(folder);
    let (labelled, named) = (format!("label={LABEL}={}", folder.display()), format!("name=^{names}"));
    remove(Some(&labelled), &named, &format!("{names}*"));
}

/// Removes the containers with this label, or of such a name, then networks and volumes of such a name, and such tags: by
/// their names, for another's tag may be of the same image.
fn remove(label: Option<&str>, name: &str, images: &str) {
    let each = |list: &[&str], filter: &str, remove: &[&str]| {
        for found in docker(&[list, &["--filter", filter]].concat()).split_whitespace() {
            let _ = output(Command::new("docker").args(remove).arg(found));
        }
    };
    for filter in label.into_iter().chain([name]) {
        each(&["ps", "--all", "--quiet"], filter, &["rm", "--force", "--volumes"]);
    }
    each(&["network", "ls", "--quiet"], name, &["network", "rm"]);
    each(&["volume", "ls", "--quiet"], name, &["volume", "rm"]);
    let images = format!("reference={images}");
    each(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], &images, &["image", "rm"]);
}

/// Pulls an image that isn't there, or has `infra/images/build.sh` build what stands in for it.
///
/// # Panics
/// Where neither works, with what is said.
pub fn provide_image(image: &str) {
    let there = || output(Command::new("docker").args(["image", "inspect", image])).status.success();
    if there() {
        return;
    }
    let _turn = home::lock(&home::shared().join("images.lock"));
    if there() || output(Command::new("docker").args(["pull", "--quiet", image])).status.success() {
        return;
    }
    succeed(Command::new("sh").arg(BUILD));
    assert!(there(), "{BUILD} made no {image}");
}

fn docker(arguments: &[&str]) -> String {
    succeed(Command::new("docker").args(arguments))
}

fn succeed(command: &mut Command) -> String {
    let output = output(command);
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {failure}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
