//! One table's cursor, marks and filter. It holds places in the facts, not the facts: 10,000 rows cost 40 kB.

use super::filter::Filter;
use std::collections::BTreeSet;
use tweenfarm_protocol::{AccountId, AgentId, FileId, JobId};

/// What a row is, whatever its place: the cursor and the marks stay on it when rows come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    Job(JobId),
    /// One worker of an agent, or the agent that has none.
    Worker(AgentId, Option<u32>),
    Account(AccountId),
    File(FileId),
    /// A file in a watched folder, by its id.
    Watched(u128),
    /// A line of a log or a ledger, by its number.
    Line(u64),
}

#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub filter: Filter,
    /// Places in the facts of the rows that pass the filter, with what each is.
    pub rows: Vec<(u32, RowKey)>,
    /// Of all rows, the filtered-out too.
    pub count: usize,
    pub marks: BTreeSet<RowKey>,
    cursor: usize,
    top: usize,
}

impl Listing {
    /// New rows; the cursor stays on what it was on, else at its place.
    pub fn fill(&mut self, rows: Vec<(u32, RowKey)>, count: usize) {
        let on = self.selected();
        // Newest-first tables mostly move by a few rows: the search ends soon.
        let found = on.and_then(|key| rows.iter().position(|(_, row)| *row == key));
        self.cursor = found.unwrap_or(self.cursor).min(rows.len().saturating_sub(1));
        self.rows = rows;
        self.count = count;
    }

    /// Forgets marks of rows that are no more.
    pub fn keep_marks(&mut self, exists: impl Fn(&RowKey) -> bool) {
        self.marks.retain(exists);
    }

    pub fn selected(&self) -> Option<RowKey> {
        self.rows.get(self.cursor).map(|(_, key)| *key)
    }

    /// The selected row's place in the facts.
    pub fn place(&self) -> Option<usize> {
        self.rows.get(self.cursor).map(|(place, _)| *place as usize)
    }

    /// What an act is for: the marked rows, or else the one under the cursor.
    pub fn chosen(&self) -> Vec<RowKey> {
        match self.marks.is_empty() {
            true => self.selected().into_iter().collect(),
            false => self.marks.iter().copied().collect(),
        }
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn step(&mut self, rows: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(rows).min(last);
    }

    pub fn first(&mut self) {
        self.cursor = 0;
    }

    pub fn last(&mut self) {
        self.cursor = self.rows.len().saturating_sub(1);
    }

    pub fn toggle_mark(&mut self) {
        if let Some(key) = self.selected()
            && !self.marks.remove(&key)
        {
            self.marks.insert(key);
        }
    }

    /// Moves the window of `height` rows so that the cursor is in it.
    pub fn scroll(&mut self, height: usize) {
        self.top = self.window(height).start;
    }

    /// The rows that are on a screen of this height.
    pub fn window(&self, height: usize) -> std::ops::Range<usize> {
        let height = height.max(1);
        let lowest_top = self.cursor.saturating_sub(height - 1);
        let highest_top = self.cursor.min(self.rows.len().saturating_sub(height));
        let top = self.top.clamp(lowest_top.min(highest_top), highest_top.max(lowest_top));
        top..(top + height).min(self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: std::ops::Range<u64>) -> Vec<(u32, RowKey)> {
        numbers.enumerate().map(|(place, number)| (place as u32, RowKey::Line(number))).collect()
    }

    #[test]
    fn the_cursor_stays_on_its_row_when_rows_come_before_it() {
        let mut listing = Listing::default();
        listing.fill(lines(10..20), 10);
        listing.step(3);
        assert_eq!(listing.selected(), Some(RowKey::Line(13)));
        listing.fill(lines(5..20), 15);
        assert_eq!(listing.selected(), Some(RowKey::Line(13)));
        listing.fill(lines(30..32), 2);
        assert_eq!(listing.selected(), Some(RowKey::Line(31)), "its row is gone: the nearest place");
        listing.fill(Vec::new(), 0);
        assert_eq!(listing.selected(), None);
    }

    #[test]
    fn the_window_always_holds_the_cursor_and_is_full_where_rows_are_enough() {
        let mut listing = Listing::default();
        listing.fill(lines(0..100), 100);
        for step in [0, 5, 5, -3, 40, -20, 70, -1, -99, 99] {
            listing.step(step);
            for height in [1, 7, 10, 100, 200] {
                listing.scroll(height);
                let window = listing.window(height);
                assert!(window.contains(&listing.cursor()), "{window:?} {}", listing.cursor());
                assert_eq!(window.len(), height.min(100));
            }
        }
    }

    #[test]
    fn an_act_is_for_the_marked_rows_or_else_the_one_under_the_cursor() {
        let mut listing = Listing::default();
        listing.fill(lines(0..5), 5);
        assert_eq!(listing.chosen(), [RowKey::Line(0)]);
        listing.step(2);
        listing.toggle_mark();
        listing.last();
        listing.toggle_mark();
        listing.first();
        assert_eq!(listing.chosen(), [RowKey::Line(2), RowKey::Line(4)]);
        listing.keep_marks(|key| *key != RowKey::Line(4));
        assert_eq!(listing.chosen(), [RowKey::Line(2)]);
    }
}
