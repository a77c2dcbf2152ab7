//! Numbers as people read them.
use std::time::Duration;

/// `60,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 MB`, in powers of a thousand.
pub fn bytes(number: u64) -> String {
    scaled(number as f64, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// `1,234` or `1.52 M`: at most four digits.
pub fn rate(per_second: f64) -> String {
    if per_second < 10_000.0 {
        return if per_second < 10.0 { format!("{per_second:.1}") } else { grouped(per_second.round() as u64) };
    }
    scaled(per_second, &["", "k", "M", "G", "T"])
}

fn scaled(mut number: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while number >= 999.5 && unit + 1 < units.len() {
        number /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || number >= 99.95 { 0 } else { 1 + usize::from(number < 9.995) };
    format!("{number:.digits$} {}", units[unit])
}

/// `3 h 12 min`, `4 min 5 s`, `12 s`.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

/// Rows in columns, two spaces apart; the first column at the left, the others at the right. The first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(k, (cell, &width))| if k == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 60_000, 1_234_567].map(grouped), ["0", "999", "1,000", "60,000", "1,234,567"]);
        assert_eq!([0, 999, 1500, 93_000_000].map(bytes), ["0 B", "999 B", "1.50 kB", "93.0 MB"]);
        assert_eq!([0.26, 41.4, 9999.4, 158_700.0, 1_519_000.0].map(rate), ["0.3", "41", "9,999", "159 k", "1.52 M"]);
        assert_eq!([5, 65, 7380].map(|s| duration(Duration::from_secs(s))), ["5 s", "1 min 5 s", "2 h 3 min"]);
    }

    #[test]
    fn tables_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["client", "batches"]), row(["1", "12,345"])]), "client  batches\n1        12,345\n");
    }
}
