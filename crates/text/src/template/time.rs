//! `strftime_now`: the date for system prompts, in the machine's own time zone, as `datetime.now()` gives it to transformers.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Characters a directive may still yield: a format of hostile length prints no more.
const MAX_PRINTED: usize = 4096;

/// A moment on a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    year: i64,
    /// 0 is January.
    month: usize,
    /// 1 is the first.
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// 0 is Sunday.
    weekday: i64,
    /// 0 is the first of January.
    day_of_year: i64,
}

impl Local {
    /// `at` in the machine's time zone; 1970 for what the system's calendar does not reach.
    pub(super) fn at(at: SystemTime) -> Self {
        let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let tm = local(seconds.try_into().unwrap_or(0));
        let within = |value: i32, size: usize| usize::try_from(value).unwrap_or(0).min(size - 1);
        Self {
            year: i64::from(tm.tm_year) + 1900,
            month: within(tm.tm_mon, MONTHS.len()),
            day: i64::from(tm.tm_mday),
            hour: i64::from(tm.tm_hour),
            minute: i64::from(tm.tm_min),
            second: i64::from(tm.tm_sec),
            weekday: within(tm.tm_wday, DAYS.len()) as i64,
            day_of_year: i64::from(tm.tm_yday),
        }
    }

    /// In the directives of C's `strftime` that say something of a moment without a zone; others stay as they are written.
    pub(super) fn format(&self, format: &str) -> String {
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next().filter(|_| out.len() < MAX_PRINTED) {
            if c == '%' { self.directive(&mut chars, &mut out) } else { out.push(c) }
        }
        out
    }

    fn directive(&self, chars: &mut std::str::Chars<'_>, out: &mut String) {
        let mut directive = chars.next();
        // glibc's "no padding": %-d.
        let bare = directive == Some('-');
        if bare {
            directive = chars.next();
        }
        let hour12 = (self.hour + 11) % 12 + 1;
        let (month, weekday) = (MONTHS[self.month], DAYS[self.weekday as usize]);
        let mut number = |n: i64, width: usize| {
            let width = if bare { 0 } else { width };
            // Writing to a string cannot fail.
            let _ = write!(out, "{n:0width$}");
        };
        match directive {
            Some('Y') => number(self.year, 0),
            Some('C') => number(self.year.div_euclid(100), 2),
            Some('y') => number(self.year.rem_euclid(100), 2),
            Some('m') => number(self.month as i64 + 1, 2),
            Some('d') => number(self.day, 2),
            Some('H') => number(self.hour, 2),
            Some('I') => number(hour12, 2),
            Some('M') => number(self.minute, 2),
            Some('S') => number(self.second, 2),
            Some('j') => number(self.day_of_year + 1, 3),
            Some('w') => number(self.weekday, 1),
            Some('u') => number((self.weekday + 6) % 7 + 1, 1),
            Some('U') => number((self.day_of_year + 7 - self.weekday) / 7, 2),
            Some('W') => number((self.day_of_year + 7 - (self.weekday + 6) % 7) / 7, 2),
            Some('e') if bare => number(self.day, 0),
            Some('e') => *out += &format!("{:2}", self.day),
            Some('l') if bare => number(hour12, 0),
            Some('l') => *out += &format!("{hour12:2}"),
            Some('k') if bare => number(self.hour, 0),
            Some('k') => *out += &format!("{:2}", self.hour),
            Some('B') => *out += month,
            Some('b' | 'h') => *out += &month[..3],
            Some('A') => *out += weekday,
            Some('a') => *out += &weekday[..3],
            Some('p') => *out += if self.hour < 12 { "AM" } else { "PM" },
            Some('P') => *out += if self.hour < 12 { "am" } else { "pm" },
            Some('F') => *out += &self.format("%Y-%m-%d"),
            Some('D' | 'x') => *out += &self.format("%m/%d/%y"),
            Some('T' | 'X') => *out += &self.format("%H:%M:%S"),
            Some('R') => *out += &self.format("%H:%M"),
            Some('r') => *out += &self.format("%I:%M:%S %p"),
            Some('c') => *out += &self.format("%a %b %e %H:%M:%S %Y"),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            // A moment without a zone, as Python's is, has no name or offset for one.
            Some('z' | 'Z') => {}
            Some('%') => out.push('%'),
            other => {
                *out += if bare { "%-" } else { "%" };
                out.extend(other);
            }
        }
    }
}

/// The system's calendar.
fn local(seconds: libc::time_t) -> libc::tm {
    // SAFETY: `tm` is plain numbers, and on some systems a pointer to the zone's name that nobody follows: zeros are a value of it.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    #[cfg(unix)]
    // SAFETY: both point to live values of their types, and the call keeps neither. A failure leaves `tm` as it was.
    unsafe {
        libc::localtime_r(&seconds, &mut tm);
    }
    #[cfg(windows)]
    // SAFETY: both point to live values of their types, and the call keeps neither. A failure leaves fields that `Local` bounds.
    unsafe {
        libc::localtime_s(&mut tm, &seconds);
    }
    tm
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LEAP_DAY: Local =
        Local { year: 2024, month: 1, day: 29, hour: 13, minute: 44, second: 5, weekday: 4, day_of_year: 59 };

    #[test]
    fn dates_print_as_pythons_do() {
        let early = Local { year: 1970, month: 0, day: 1, hour: 0, minute: 0, second: 0, weekday: 4, day_of_year: 0 };
        let format = "%d %b %Y|%A %-d %B %y|%H:%M:%S %I %p|%j|%F %T|%% %Q";
        assert_eq!(early.format(format), "01 Jan 1970|Thursday 1 January 70|00:00:00 12 AM|001|1970-01-01 00:00:00|% %Q");
        assert_eq!(
            LEAP_DAY.format(format),
            "29 Feb 2024|Thursday 29 February 24|13:44:05 01 PM|060|2024-02-29 13:44:05|% %Q"
        );
        assert_eq!(
            LEAP_DAY.format("%c|%x %X|%D %R %r|%C %u %w %U %W|%e %-e %l %-I %k|%h %a %P|%z%Z|%-m/%-j%n%t"),
            "Thu Feb 29 13:44:05 2024|02/29/24 13:44:05|02/29/24 13:44 01:44:05 PM|20 4 4 08 09|29 29  1 1 13|Feb Thu pm||2/60\n\t"
        );
    }

    #[test]
    fn a_format_of_any_length_prints_little() {
        assert!(LEAP_DAY.format(&"%c".repeat(100_000)).len() < 2 * MAX_PRINTED);
        assert_eq!(LEAP_DAY.format("%"), "%");
        assert_eq!(LEAP_DAY.format("%-"), "%-");
    }

    #[test]
    fn the_clock_is_the_machines_own() {
        // Noon in Greenwich is the same day or a neighbour of it anywhere.
        let noon = Local::at(UNIX_EPOCH + Duration::from_secs(1_709_208_000));
        assert_eq!(noon.year, 2024);
        assert!([28, 29].contains(&noon.day) && noon.month == 1 || (noon.month, noon.day) == (2, 1), "{noon:?}");
        assert_eq!(noon.format("%S"), "00");
    }
}
