//! Where shells and `man` look for the files of a user, and where programs keep theirs: the XDG base
//! directories.

use std::ffi::OsString;
use std::path::PathBuf;

use clap_complete::Shell;

use super::outcome::UsageError;

/// The folders of the user who runs the program.
#[derive(Debug, Clone)]
pub(super) struct UserFolders {
    data: Option<PathBuf>,
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    bash_completion: Option<PathBuf>,
}

impl UserFolders {
    /// The folders that the process's environment names.
    pub(super) fn from_environment() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    /// The folders that the variables name. A path that is not absolute counts as unset, as the XDG
    /// specification says.
    fn of(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let named = |name| lookup(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = named("HOME");
        let below_home = |inside| home.as_ref().map(|home| home.join(inside));
        let data = named("XDG_DATA_HOME").or_else(|| below_home(".local/share"));
        Self {
            bash_completion: named("BASH_COMPLETION_USER_DIR")
                .or_else(|| data.as_ref().map(|data| data.join("bash-completion"))),
            state: named("XDG_STATE_HOME").or_else(|| below_home(".local/state")),
            cache: named("XDG_CACHE_HOME").or_else(|| below_home(".cache")),
            config: named("XDG_CONFIG_HOME").or_else(|| below_home(".config")),
            data,
        }
    }

    /// The folder of files that can be made again.
    pub(super) fn cache(&self) -> Option<PathBuf> {
        self.cache.clone()
    }

    /// The folder from which a shell loads completions.
    pub(super) fn completions(&self, shell: Shell) -> Result<PathBuf, UsageError> {
        let below = |folder: &Option<PathBuf>, inside| {
            let folder = folder.as_ref().ok_or_else(no_home)?;
            Ok(folder.join(inside))
        };
        match shell {
            Shell::Bash => below(&self.bash_completion, "completions"),
            Shell::Zsh => below(&self.data, "zsh/site-functions"),
            Shell::Fish => below(&self.config, "fish/completions"),
            Shell::Elvish => below(&self.config, "elvish/lib"),
            shell => Err(UsageError::new(format!(
                "{shell} has no folder for completions: add the script to your profile, with \
                 `tickdeck completions {shell} >> $PROFILE`"
            ))),
        }
    }

    /// The folder of the spools of recordings that go to a store.
    pub(super) fn spools(&self) -> Result<PathBuf, UsageError> {
        let state = self.state.as_ref().ok_or_else(no_state)?;
        Ok(state.join("tickdeck/spool"))
    }

    /// The folder of manual pages of section 1.
    pub(super) fn manual(&self) -> Result<PathBuf, UsageError> {
        let data = self.data.as_ref().ok_or_else(no_home)?;
        Ok(data.join("man/man1"))
    }
}

fn no_state() -> UsageError {
    UsageError::new("HOME is not set, so the user's state folder is unknown: name one with --spool")
}

fn no_home() -> UsageError {
    UsageError::new("HOME is not set, so the user's folders are unknown: name one with --output")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(variables: &[(&str, &str)]) -> UserFolders {
        UserFolders::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    fn shown(folders: &UserFolders) -> Vec<String> {
        let shells = [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish];
        let completions = shells.map(|shell| folders.completions(shell).unwrap());
        let all = completions.into_iter().chain([folders.manual().unwrap()]);
        all.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn without_variables_the_folders_are_below_home() {
        assert_eq!(
            shown(&folders(&[("HOME", "/home/me")])),
            [
                "/home/me/.local/share/bash-completion/completions",
                "/home/me/.local/share/zsh/site-functions",
                "/home/me/.config/fish/completions",
                "/home/me/.config/elvish/lib",
                "/home/me/.local/share/man/man1",
            ]
        );
    }

    #[test]
    fn xdg_variables_take_precedence() {
        let named = folders(&[
            ("HOME", "/home/me"),
            ("XDG_DATA_HOME", "/data"),
            ("XDG_CONFIG_HOME", "/config"),
        ]);
        assert_eq!(
            shown(&named),
            [
                "/data/bash-completion/completions",
                "/data/zsh/site-functions",
                "/config/fish/completions",
                "/config/elvish/lib",
                "/data/man/man1",
            ]
        );
        let bash = folders(&[("HOME", "/home/me"), ("BASH_COMPLETION_USER_DIR", "/bc")]);
        let bash = bash.completions(Shell::Bash).unwrap();
        assert_eq!(bash, PathBuf::from("/bc/completions"));
        let relative = folders(&[("HOME", "/home/me"), ("XDG_DATA_HOME", "data")]);
        assert!(relative.manual().unwrap().starts_with("/home/me"));
    }

    #[test]
    fn an_unknown_folder_is_refused() {
        let error = folders(&[]).manual().unwrap_err();
        assert!(error.to_string().contains("--output"), "{error}");
        let error = folders(&[]).spools().unwrap_err();
        assert!(error.to_string().contains("--spool"), "{error}");
        let powershell = folders(&[("HOME", "/h")]).completions(Shell::PowerShell);
        let error = powershell.unwrap_err().to_string();
        assert!(
            error.contains("completions powershell >> $PROFILE"),
            "{error}"
        );
    }
}
