//! Why a client never used the simulated front, from what was seen of it.

use std::path::{Path, PathBuf};

use tickdeck_ffi::object_file::ObjectFile;

use super::libraries::Libraries;
use super::shown;

/// What a shell and the dynamic linker report for a program that cannot be started.
const NOT_STARTED: u8 = 127;

/// The symbols of which a program has one when CTP is a part of it.
const FACTORIES: [&str; 3] = [
    "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbb",
    "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb",
    "_ZN15CThostFtdcMdApi13GetApiVersionEv",
];

/// All that is known of a client.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// In how many processes the libraries were preloaded.
    pub(super) preloaded: usize,
    /// The processes that had a vendor's library.
    pub(super) mapped: Vec<Mapped>,
    /// The file that was started.
    pub(super) program: Option<Program>,
    /// Exit code of the client.
    pub(super) code: u8,
}

/// A process with a vendor's library.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    /// Its program.
    pub(super) program: PathBuf,
    /// The vendor's file.
    pub(super) file: PathBuf,
    /// A file of the process that is linked with the vendor's; `None` if it was opened by `dlopen`.
    pub(super) needed_by: Option<PathBuf>,
    /// Whether the simulated libraries are there too.
    pub(super) is_preloaded: bool,
}

/// A program file.
#[derive(Debug, Clone, Default)]
pub(super) struct Program {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The dynamic linker that it names; `None` if it is statically linked.
    pub(super) interpreter: Option<String>,
    /// The CTP library that it is linked with.
    pub(super) needed: Option<String>,
    /// Its `DT_RPATH`.
    pub(super) rpath: Option<String>,
    /// Whether CTP is a part of it.
    pub(super) has_ctp: bool,
}

impl Program {
    /// Reads a program; `None` if it is none, such as a script.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        let file = ObjectFile::parse(&bytes)?;
        let is_defined = |name| file.symbol(name).is_some_and(|symbol| symbol.is_defined);
        Some(Self {
            path: path.to_owned(),
            interpreter: file.interpreter(),
            needed: file.needed().into_iter().find(|name| is_ctp(name)),
            rpath: file.rpath(),
            has_ctp: FACTORIES.into_iter().any(is_defined),
        })
    }
}

fn is_ctp(name: &str) -> bool {
    name.contains("mduserapi") || name.contains("traderapi")
}

/// The reason, and what to do.
pub(super) fn reason(seen: &Seen, libraries: &Libraries) -> String {
    if let Some(mapped) = seen.mapped.iter().find(|mapped| !mapped.is_preloaded) {
        return not_preloaded(mapped);
    }
    if let Some(mapped) = seen.mapped.first() {
        return match &mapped.needed_by {
            Some(file) => format!(
                "{} is linked with {}, and no API object was created before the client ended with \
                 code {}",
                shown(file),
                shown(&mapped.file),
                seen.code
            ),
            None => past_the_preloaded(&mapped.file),
        };
    }
    if let Some(program) = &seen.program
        && let Some(reason) = of_program(program, seen, libraries)
    {
        return reason;
    }
    match seen.preloaded {
        0 => "no process of it loaded the preloaded libraries: LD_PRELOAD has no effect on programs that \
              are statically linked, linked with another C library, or set-user-ID, or whose \
              environment was cleared"
            .into(),
        _ => format!(
            "no process of it was seen with a CTP library before it ended with code {}",
            seen.code
        ),
    }
}

/// A process has the vendor's library and not ours: `LD_PRELOAD` did not reach it.
pub(super) fn not_preloaded(mapped: &Mapped) -> String {
    let rpath = Program::read(&mapped.program).and_then(|program| program.rpath);
    let rpath = rpath.map_or_else(String::new, |rpath| {
        format!(
            " It finds the library by its DT_RPATH ({rpath}), so LD_LIBRARY_PATH would have no effect \
             either."
        )
    });
    format!(
        "{} has loaded {} without the preloaded libraries: LD_PRELOAD was lost on the way (env -i, \
         sudo, su, a container, a set-user-ID program). Run `tickdeck sim run` behind that step.{rpath}",
        shown(&mapped.program),
        shown(&mapped.file),
    )
}

/// The vendor's library is used although ours is preloaded.
pub(super) fn past_the_preloaded(file: &Path) -> String {
    format!(
        "it opens {} by itself and looks the functions up there (dlopen and dlsym, or RTLD_DEEPBIND), \
         which passes a preloaded library by. Give it the path that `tickdeck sim env` prints",
        shown(file)
    )
}

fn of_program(program: &Program, seen: &Seen, libraries: &Libraries) -> Option<String> {
    let path = shown(&program.path);
    if program.has_ctp {
        return Some(format!(
            "CTP is a part of {path}: there is no library to replace. Link the program with the \
             vendor's shared library"
        ));
    }
    if seen.preloaded == 0 {
        return match &program.interpreter {
            None => Some(format!(
                "{path} is statically linked: nothing can be preloaded into it. Link it dynamically, or \
                 run `tickdeck sim run` inside of it where it starts the client"
            )),
            Some(linker) if linker.contains("musl") => Some(format!(
                "{path} is linked with musl ({linker}), and CTP libraries need the GNU C library"
            )),
            Some(_) => missing_library(program, seen, libraries),
        };
    }
    None
}

/// The dynamic linker did not find the library that the program was linked with.
fn missing_library(program: &Program, seen: &Seen, libraries: &Libraries) -> Option<String> {
    let needed = program
        .needed
        .as_ref()
        .filter(|_| seen.code == NOT_STARTED)?;
    let folder = libraries.market_data.parent().unwrap_or(Path::new("."));
    Some(format!(
        "{} is linked with {needed}, which the dynamic linker does not find. Where the vendor's file is \
         not installed, put {} under that name on LD_LIBRARY_PATH and give --api-version",
        shown(&program.path),
        shown(folder),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libraries() -> Libraries {
        Libraries {
            market_data: "/sim/thostmduserapi_se.so".into(),
            trader: "/sim/thosttraderapi_se.so".into(),
        }
    }

    fn mapped(is_preloaded: bool, needed_by: Option<&str>) -> Mapped {
        Mapped {
            program: "/opt/client".into(),
            file: "/opt/libthostmduserapi_se.so".into(),
            needed_by: needed_by.map(PathBuf::from),
            is_preloaded,
        }
    }

    fn told(seen: &Seen) -> String {
        reason(seen, &libraries())
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        let with = |mapped| Seen {
            preloaded: 1,
            mapped: vec![mapped],
            ..Seen::default()
        };
        let opened = told(&with(mapped(true, None)));
        assert!(
            opened.contains("dlopen") && opened.contains("sim env"),
            "{opened}"
        );
        let lost = told(&with(mapped(false, None)));
        assert!(lost.contains("LD_PRELOAD was lost"), "{lost}");
        let linked = told(&with(mapped(true, Some("/opt/wrapper.so"))));
        assert!(
            linked.contains("/opt/wrapper.so is linked with"),
            "{linked}"
        );
        let program = |program: Program, preloaded, code| {
            told(&Seen {
                preloaded,
                program: Some(program),
                code,
                ..Seen::default()
            })
        };
        let path = PathBuf::from("/opt/client");
        let fixed = Program {
            path: path.clone(),
            ..Program::default()
        };
        assert!(program(fixed, 0, 0).contains("statically linked: nothing"));
        let musl = Program {
            interpreter: Some("/lib/ld-musl-x86_64.so.1".into()),
            ..Program::default()
        };
        assert!(program(musl, 0, 0).contains("musl"));
        let inside = Program {
            has_ctp: true,
            ..Program::default()
        };
        assert!(program(inside, 1, 0).contains("a part of"));
        let missing = Program {
            path,
            interpreter: Some("/lib64/ld-linux-x86-64.so.2".into()),
            needed: Some("thostmduserapi_se.so".into()),
            ..Program::default()
        };
        let missing = program(missing, 0, NOT_STARTED);
        assert!(missing.contains("put /sim under that name"), "{missing}");
        let nothing = told(&Seen {
            preloaded: 2,
            code: 3,
            ..Seen::default()
        });
        assert!(nothing.contains("no process of it was seen"), "{nothing}");
    }
}
