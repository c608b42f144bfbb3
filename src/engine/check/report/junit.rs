//! Checks as JUnit XML for GitLab, GitHub and Jenkins: one test case per input.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use tickdeck_core::printable::printable;

use super::entry::Entry;
use super::style::Styles;
use super::text;
use crate::check::examine::Verdict;

/// The XML.
///
/// # Errors
/// When the library cannot write.
pub fn xml(entries: &[Entry]) -> Result<String, String> {
    let mut suite = TestSuite::new("tickdeck check");
    for entry in entries {
        suite.add_test_case(case(entry));
    }
    let mut report = Report::new("tickdeck");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

fn case(entry: &Entry) -> TestCase {
    let (input, status) = match entry {
        Entry::Checked { checked, accept } => {
            let status = match checked.verdict {
                Verdict::Different => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(printable(&text::difference(checked)).into_owned());
                    status.set_type("difference");
                    let plain = Styles::default();
                    status.set_description(text::checked(checked, accept, &plain));
                    status
                }
                Verdict::Equal | Verdict::Made | Verdict::Updated => TestCaseStatus::success(),
            };
            (&checked.input, status)
        }
        Entry::Failed { input, reason } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(printable(reason).into_owned());
            status.set_type("error");
            (input, status)
        }
    };
    let mut case = TestCase::new(printable(input).into_owned(), status);
    case.set_classname("tickdeck.check");
    case
}
