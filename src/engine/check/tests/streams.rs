//! Payload streams in files: what is read, and what is refused.

use proptest::prelude::*;

use super::super::stream_writer::StreamWriter;
use super::*;
use crate::sink::MessageBatchBuilder;

#[test]
fn a_line_that_is_no_message_is_named() {
    for (text, line, found) in [
        ("a 1\nb\n", 2, "\"b\""),
        ("a 1\n\na 2\n", 2, "an empty line"),
        (" 1\n", 1, "\" 1\""),
        ("{\"seq\": 1}\n", 1, "{"),
        ("a\tb 1\n", 1, "\"a\\tb 1\""),
    ] {
        let Err(error) = MessagesInMemory::of_text(text) else {
            panic!("{text}");
        };
        let message = error.to_string();
        assert!(message.contains(&format!("line {line}")), "{message}");
        assert!(message.contains(found), "{message}");
    }
    let kept = MessagesInMemory::of_text("a 1\na \na x y")
        .unwrap()
        .next_chunk();
    let kept = kept.unwrap().unwrap().messages;
    assert_eq!(
        kept.len(),
        3,
        "an empty payload, and a last line without its end"
    );
    assert_eq!(kept.get(2).unwrap().payload, b"x y");
}

proptest! {
    #[test]
    fn prop_a_stream_that_is_written_reads_back(
        messages in proptest::collection::vec(("[a-z.{}é]{1,9}", "[^\n]{0,40}"), 0..600),
    ) {
        let messages: Vec<_> = messages
            .into_iter()
            .map(|(subject, payload)| (format!("a{subject}"), payload))
            .collect();
        let mut builder = MessageBatchBuilder::default();
        for (subject, payload) in &messages {
            builder.push(subject.as_bytes(), payload.as_bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.jsonl.zst");
        let mut writer = StreamWriter::create(&path).unwrap();
        writer.push(&builder.take()).unwrap();
        writer.finish().unwrap();
        let mut stream = StreamFile::open(&path).unwrap();
        let mut read = Vec::new();
        while let Some(chunk) = stream.next_chunk().unwrap() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let messages = chunk.messages.iter();
            read.extend(messages.map(|message| (text(message.subject), text(message.payload))));
        }
        prop_assert_eq!(read, messages);
        prop_assert!(stream.ended().digest.is_some());
    }

    #[test]
    fn prop_any_text_is_read_or_refused(text in "[a\\n {\"\\[]{0,60}") {
        let _ = MessagesInMemory::of_text(&text).map(|mut stream| stream.next_chunk());
    }
}

#[test]
fn a_stream_that_is_cut_off_is_told_from_one_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.jsonl.zst");
    let packed = zstd::encode_all(text(&ticks(5000)).as_bytes(), 1).unwrap();
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let mut stream = StreamFile::open(&path).unwrap();
    let error = loop {
        match stream.next_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the end of a truncated stream"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CheckError::DamagedStream { .. }), "{error}");
}
