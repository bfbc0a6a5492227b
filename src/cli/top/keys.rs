//! Keys, as far as the live view knows them.

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A letter or sign.
    Char(char),
    /// Ctrl-C.
    Interrupt,
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// What a terminal sent, if it is a key that means something here.
pub(super) fn key(event: &Event) -> Option<Key> {
    let Event::Key(pressed) = event else { return None };
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    Some(match pressed.code {
        KeyCode::Char('c') if pressed.modifiers.contains(KeyModifiers::CONTROL) => Key::Interrupt,
        KeyCode::Char(_) if pressed.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::KeyEvent;

    #[test]
    fn control_c_interrupts_and_other_control_letters_are_no_letters() {
        let with = |c, modifiers| key(&Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers)));
        assert_eq!(with('c', KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(with('q', KeyModifiers::CONTROL), None);
        assert_eq!(with('G', KeyModifiers::SHIFT), Some(Key::Char('G')));
        assert_eq!(key(&Event::Resize(80, 24)), None);
    }
}
