//! A table by number whose unused stretches cost nothing.
//!
//! Series numbers are given out one after the other and never again, so after a year of comings and goings
//! most are dead; and a number read from a damaged file may be anything.

/// Numbers a page holds.
const PAGE: usize = 1024;

/// Values by number.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    pages: Vec<Option<Box<Page<T>>>>,
}

#[derive(Debug)]
struct Page<T> {
    slots: Vec<Option<T>>,
    used: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

const fn split(number: u32) -> (usize, usize) {
    (number as usize / PAGE, number as usize % PAGE)
}

impl<T> Paged<T> {
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (page, slot) = split(number);
        self.pages.get(page)?.as_ref()?.slots.get(slot)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (page, slot) = split(number);
        self.pages.get_mut(page)?.as_mut()?.slots.get_mut(slot)?.as_mut()
    }

    /// Sets a value; gives the one before.
    pub(crate) fn insert(&mut self, number: u32, value: T) -> Option<T> {
        let (page, slot) = split(number);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages.get_mut(page)?.get_or_insert_with(|| {
            let mut slots = Vec::with_capacity(PAGE);
            slots.resize_with(PAGE, || None);
            Box::new(Page { slots, used: 0 })
        });
        let before = page.slots.get_mut(slot)?.replace(value);
        page.used += usize::from(before.is_none());
        before
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let (page, slot) = split(number);
        let place = self.pages.get_mut(page)?;
        let held = place.as_mut()?;
        let value = held.slots.get_mut(slot)?.take()?;
        held.used -= 1;
        if held.used == 0 {
            *place = None;
        }
        Some(value)
    }

    /// Everything, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = self.pages.iter().enumerate().filter_map(|(page, held)| Some((page, held.as_ref()?)));
        pages.flat_map(|(page, held)| {
            let slots = held.slots.iter().enumerate();
            slots.filter_map(move |(slot, value)| Some(((page * PAGE + slot) as u32, value.as_ref()?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_numbers_cost_a_page_each() {
        let mut table = Paged::default();
        for number in [5, 0, u32::MAX, 1024] {
            assert_eq!(table.insert(number, number), None);
        }
        assert_eq!(table.insert(5, 6), Some(5));
        assert_eq!(
            table.iter().map(|(n, v)| (n, *v)).collect::<Vec<_>>(),
            [(0, 0), (5, 6), (1024, 1024), (u32::MAX, u32::MAX)]
        );
        assert_eq!(table.remove(u32::MAX), Some(u32::MAX));
        assert_eq!((table.get(u32::MAX), table.get(77)), (None, None));
        assert_eq!(table.get_mut(0), Some(&mut 0));
    }
}
