//! `backup` and `restore`: the daemon makes the file while it runs, and its program makes a state folder from one.

use crate::{
    client::{Client, ClientError},
    up,
};
use std::{
    io,
    path::{Path, PathBuf},
    process::Output,
};
use tokio::{
    fs::{self, OpenOptions},
    io::AsyncWriteExt,
    process::Command,
};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{path} cannot be written: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("the backup ended early, {got} of {expected} bytes: nothing was kept, take it again")]
    CutOff { got: u64, expected: u64 },
    #[error(transparent)]
    Missing(#[from] up::UpError),
    #[error("tweenfarmd cannot be started: {0}")]
    Start(io::Error),
    #[error("{0}")]
    NotRestored(String),
}

/// The size of the new file. It has its name once it is whole and durable.
pub async fn take(client: &Client, path: &Path) -> Result<u64, BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    if path.exists() {
        return Err(failed(io::Error::other("it is there already")));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut stream = client.stream("/operator/backup", None).await?;
    let expected = stream.length();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial).await;
    let file = file.as_mut().map_err(|error| failed(io::Error::new(error.kind(), error.to_string())))?;
    let mut got = 0;
    while let Some(bytes) = stream.next().await? {
        file.write_all(&bytes).await.map_err(failed)?;
        got += bytes.len() as u64;
    }
    if let Some(expected) = expected.filter(|expected| *expected != got) {
        // What is no backup must not be taken for one.
        let _ = fs::remove_file(&partial).await;
        return Err(BackupError::CutOff { got, expected });
    }
    file.sync_all().await.map_err(failed)?;
    fs::rename(&partial, path).await.map_err(failed)?;
    Ok(got)
}

/// What tweenfarmd said, who alone knows the store.
pub async fn restore(file: &Path, state_folder: &Path) -> Result<String, BackupError> {
    let program = up::found("tweenfarmd")?;
    let ran = Command::new(program).arg("--restore").arg(file).arg("--state-folder").arg(state_folder).output().await;
    let Output { status, stdout, stderr } = ran.map_err(BackupError::Start)?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => {
            let said = String::from_utf8_lossy(&stderr);
            Err(BackupError::NotRestored(said.trim().trim_start_matches("tweenfarmd: ").to_owned()))
        }
    }
}
