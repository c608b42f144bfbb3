//! The remedies of a diagnosis in the words of `doctor`: its flags, and the variables of a session.

use tickdeck::live::diagnose::Remedy;

/// How to fix what a check found. `where_to_set` says where the user sets variables.
pub(super) fn in_words(remedy: &Remedy, where_to_set: &str) -> String {
    let words = match remedy {
        Remedy::SetVariables(names) => return format!("set {} {where_to_set}", names.join(", ")),
        Remedy::AllowIngest => "set MD_RUN_INGEST=1 to allow it",
        Remedy::NameSymbols => {
            "set CTP_SYMBOL, for example rb2601.SHFE,IF2601.CFFEX, or name instruments with \
             `tickdeck live --symbols`"
        }
        Remedy::CorrectSymbols => "correct CTP_SYMBOL",
        Remedy::CorrectFront => "correct CTP_MD_ADDRESS",
        Remedy::CorrectDuration | Remedy::CorrectVariable => "correct the variable",
        Remedy::NameLibrary => {
            "set CTP_GATEWAY_CONNECT to the Linux x86-64 thostmduserapi_se.so of your broker, or \
             the folder that holds it"
        }
        Remedy::AddTraderLibrary => {
            "put the thosttraderapi_se.so of the same version beside thostmduserapi_se.so"
        }
        Remedy::CompareRecording => {
            "compare a short recording with another recorder's before you rely on it"
        }
        Remedy::UseOtherKeys => "leave --front-keys out, or use another library",
        Remedy::UpdateLibrary => "ask your broker for a library of 6.5.1 or later",
        Remedy::WaitForFront => {
            "outside trading hours no action is needed; otherwise check CTP_MD_ADDRESS"
        }
        Remedy::CheckNetwork => {
            "fronts are open from about 30 minutes before a session to some time after it; \
             otherwise check the address, the firewall and the VPN"
        }
        Remedy::NameTraderFront => {
            "set CTP_TD_ADDRESS, or give a contract file with `tickdeck live --contracts FILE`"
        }
        Remedy::ChooseFlowFolder => "choose a folder that this user can write to with --flow-dir",
        Remedy::StartServer => "start the server there, or correct NATS_URL",
        Remedy::CorrectLogin => {
            "correct NATS_USER and NATS_PASSWORD, NATS_TOKEN, NATS_CREDS or NATS_NKEY; set only the one \
             that the server expects"
        }
        Remedy::CorrectTls => {
            "correct --nats-ca, --nats-cert and --nats-key; the scheme tls:// and --nats-tls-first must \
             fit the server"
        }
        Remedy::FreeConnection => "close another client, or raise the server's limit",
        Remedy::GrantPermission => "give the account that permission in the server's configuration",
        Remedy::CorrectServerOption => "correct what the message names",
        Remedy::ReadServerLog => "look into the server's log",
        Remedy::FixCalendar => "fix the file",
        Remedy::GiveNextCalendar => {
            "give --calendar FILE with the next year's holidays as soon as they are announced, or \
             update tickdeck"
        }
        Remedy::CompleteCalendar => {
            "give --calendar FILE with this year's holidays, or update tickdeck"
        }
        Remedy::GiveCalendar => "give --calendar FILE with this year's holidays",
        Remedy::FreeSpace => {
            "free some, name another place with `tickdeck live --record`, or lower \
             `tickdeck live --min-free-space`"
        }
        Remedy::ChooseRecordingFolder => "name a writable folder with `tickdeck live --record`",
        Remedy::InstallLocale => {
            "Debian: apt-get install locales && echo 'zh_CN.GB18030 GB18030' >> /etc/locale.gen && \
             locale-gen"
        }
        Remedy::IgnoreLocale => "tickdeck does not need it",
    };
    words.to_owned()
}
