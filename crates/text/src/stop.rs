//! Stop texts: what ends an answer, and is never shown.

/// Finds stop texts in a stream. Text that may be the beginning of one is held back until that is decided.
///
/// The match that begins first wins; of two that begin at the same place, the one that is complete first.
#[derive(Debug)]
pub struct StopTexts {
    stops: Vec<String>,
    held: String,
}

impl StopTexts {
    /// Empty stop texts are left out.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes more text; returns what can be shown, and the stop text that ended the answer. After a match nothing is held: what
    /// followed it is dropped.
    pub fn push(&mut self, text: &str) -> (String, Option<String>) {
        if self.stops.is_empty() {
            return (text.to_owned(), None);
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop.len(), stop))).min();
        let undecided = self.undecided();
        match found {
            // A longer stop text that began earlier may still be completed.
            Some((at, _, stop)) if at <= undecided => {
                let stop = stop.clone();
                let mut shown = std::mem::take(&mut self.held);
                shown.truncate(at);
                (shown, Some(stop))
            }
            _ => {
                let rest = self.held.split_off(undecided);
                (std::mem::replace(&mut self.held, rest), None)
            }
        }
    }

    /// What was held back, when nothing follows; up to a stop text that waited for an earlier one to be decided.
    pub fn flush(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.held);
        if let Some(at) = self.stops.iter().filter_map(|stop| rest.find(stop.as_str())).min() {
            rest.truncate(at);
        }
        rest
    }

    /// Where the first stop text begins that the held text may still complete; its length when there is none.
    fn undecided(&self) -> usize {
        let open = |stop: &String| {
            let longest = stop.len().saturating_sub(1).min(self.held.len());
            let from = self.held.len() - longest;
            let stop = stop.as_bytes();
            let held = self.held.as_bytes();
            (from..held.len()).find(|&at| self.held.is_char_boundary(at) && stop.starts_with(&held[at..]))
        };
        self.stops.iter().filter_map(open).min().unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown, and the stop text, when `text` comes in pieces of `size` bytes (at borders of characters).
    fn stream(stops: &[&str], text: &str, size: usize) -> (String, Option<String>) {
        let mut stops = StopTexts::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut shown = String::new();
        let mut piece = String::new();
        for c in text.chars() {
            piece.push(c);
            if piece.len() >= size {
                let (text, stop) = stops.push(&std::mem::take(&mut piece));
                shown += &text;
                if stop.is_some() {
                    return (shown, stop);
                }
            }
        }
        let (text, stop) = stops.push(&piece);
        shown += &text;
        if stop.is_none() {
            shown += &stops.flush();
        }
        (shown, stop)
    }

    #[test]
    fn the_first_stop_text_ends_the_answer_however_it_is_cut() {
        let cases: [(&[&str], &str, &str, Option<&str>); 8] = [
            (&["ab", "abc"], "xxabc", "xx", Some("ab")),
            (&["abc", "b"], "xxabc", "xx", Some("abc")),
            (&["abcd", "bc"], "abcx", "a", Some("bc")),
            (&["\n\nUser:"], "Hi.\n\nUse it.\n\nUser: x", "Hi.\n\nUse it.", Some("\n\nUser:")),
            (&["aab"], "aaab", "a", Some("aab")),
            (&["é!"], "aé?é!", "aé?", Some("é!")),
            (&[""], "text", "text", None),
            (&["stop"], "a sto", "a sto", None),
        ];
        for (stops, text, shown, stop) in cases {
            for size in 1..=text.len() {
                let (got, found) = stream(stops, text, size);
                assert_eq!((got.as_str(), found.as_deref()), (shown, stop), "{stops:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn text_is_shown_as_soon_as_it_is_decided() {
        let mut stops = StopTexts::new(vec!["###".into()]);
        assert_eq!(stops.push("a#"), ("a".into(), None));
        assert_eq!(stops.push("#"), ("".into(), None));
        assert_eq!(stops.push("b"), ("##b".into(), None));
    }
}
