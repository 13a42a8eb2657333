//! `strftime_now`: the date for system prompts, in UTC.

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

/// `now` in the directives of C's `strftime` that dates and times need; others stay as they are written.
pub(super) fn strftime(format: &str, now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (year, month, day) = civil(days);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[((days + 4) % 7) as usize];
    let hour12 = (hour + 11) % 12 + 1;
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        // glibc's "no padding": %-d.
        let bare = chars.next_if_eq(&'-').is_some();
        let two = |n: u64| if bare { n.to_string() } else { format!("{n:02}") };
        match chars.next() {
            Some('Y') => out += &year.to_string(),
            Some('y') => out += &two(year % 100),
            Some('m') => out += &two(month),
            Some('d') => out += &two(day),
            Some('e') => out += &if bare { day.to_string() } else { format!("{day:2}") },
            Some('B') => out += month_name,
            Some('b' | 'h') => out += &month_name[..3],
            Some('A') => out += day_name,
            Some('a') => out += &day_name[..3],
            Some('H') => out += &two(hour),
            Some('I') => out += &two(hour12),
            Some('M') => out += &two(minute),
            Some('S') => out += &two(second),
            Some('p') => out += if hour < 12 { "AM" } else { "PM" },
            Some('j') => {
                let ordinal = days - days_before_year(days) + 1;
                out += &if bare { ordinal.to_string() } else { format!("{ordinal:03}") };
            }
            Some('F') => out += &format!("{year}-{month:02}-{day:02}"),
            Some('T') => out += &format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => out.push('%'),
            other => {
                out += if bare { "%-" } else { "%" };
                out.extend(other);
            }
        }
    }
    out
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The day on which the year of `days` begins.
fn days_before_year(days: u64) -> u64 {
    let (year, ..) = civil(days);
    (0..=366).map(|back| days.saturating_sub(back)).find(|&day| civil(day) == (year, 1, 1)).unwrap_or(days)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_print_as_pythons_do() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let format = "%d %b %Y|%A %-d %B %y|%H:%M:%S %I %p|%j|%F %T|%% %Q";
        assert_eq!(strftime(format, at(0)), "01 Jan 1970|Thursday 1 January 70|00:00:00 12 AM|001|1970-01-01 00:00:00|% %Q");
        assert_eq!(
            strftime(format, at(1_709_214_245)),
            "29 Feb 2024|Thursday 29 February 24|13:44:05 01 PM|060|2024-02-29 13:44:05|% %Q"
        );
    }
}
