//! What lies over a screen and takes the keys: help, a line being typed, a question, a form, a secret. Pure.

use super::{action::Asked, event::Secret, reading::Reading};
use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, backend::crossterm::EventHandler};
use tweenfarm_protocol::{AccountId, JobId, Xeconds, operator::CreditKind};

#[derive(Clone, Debug)]
pub enum Overlay {
    Help {
        top: usize,
    },
    Filter(Input),
    CommandLine {
        input: Input,
        wrong: Option<String>,
    },
    Question(Question),
    Form(Form),
    Secret(Secret),
    /// A text of a row, whole.
    Reading(Reading),
    /// The frame that the open job has made, as large as the screen.
    Picture,
}

/// A question before something that cannot be taken back. The answer that does nothing is the one that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub title: String,
    /// The thing, then the effect.
    pub lines: Vec<String>,
    /// What yes does, as a verb.
    pub verb: &'static str,
    pub yes: bool,
    pub asks: Vec<Asked>,
}

/// What a key did to an overlay.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Stays,
    Closes,
    Asks(Vec<Asked>),
    Becomes(Box<Question>),
}

impl Question {
    pub fn press(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Char('y') => Outcome::Asks(std::mem::take(&mut self.asks)),
            KeyCode::Char('n') | KeyCode::Esc => Outcome::Closes,
            KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('h' | 'l') => {
                self.yes = !self.yes;
                Outcome::Stays
            }
            KeyCode::Enter if self.yes => Outcome::Asks(std::mem::take(&mut self.asks)),
            KeyCode::Enter => Outcome::Closes,
            _ => Outcome::Stays,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Form {
    pub title: String,
    pub about: String,
    pub fields: Vec<Field>,
    pub at: usize,
    pub wrong: Option<String>,
    purpose: Purpose,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub label: &'static str,
    pub hint: &'static str,
    pub input: Input,
}

#[derive(Clone, Debug)]
enum Purpose {
    Grant { account: AccountId, email: String, balance: Xeconds },
    Adjust { account: AccountId, email: String, balance: Xeconds },
    AddUser,
    AddKey { account: AccountId },
    Invite,
    Priority { jobs: Vec<JobId> },
    Weight { account: AccountId },
}

fn field(label: &'static str, hint: &'static str, value: &str) -> Field {
    Field { label, hint, input: Input::new(value.to_owned()) }
}

impl Form {
    fn new(title: String, about: String, fields: Vec<Field>, purpose: Purpose) -> Form {
        Form { title, about, fields, at: 0, wrong: None, purpose }
    }

    pub fn grant(account: AccountId, email: String, balance: Xeconds) -> Form {
        let fields = vec![
            field("xeconds", "above 0", ""),
            field("reason", "stays in the ledger", ""),
            field("counts as", "paid or trial: paid credit makes it a paying account", "paid"),
        ];
        let about = format!("{email} has {balance} xeconds");
        Form::new("Give xeconds".to_owned(), about, fields, Purpose::Grant { account, email, balance })
    }

    pub fn adjust(account: AccountId, email: String, balance: Xeconds) -> Form {
        let fields = vec![field("xeconds", "with - to take some back", ""), field("reason", "stays in the ledger", "")];
        let about = format!("{email} has {balance} xeconds");
        Form::new("Correct a balance".to_owned(), about, fields, Purpose::Adjust { account, email, balance })
    }

    pub fn add_user() -> Form {
        let fields =
            vec![field("e-mail", "the account's name", ""), field("xeconds", "granted with it, 0 for none", "0")];
        Form::new("Add an account".to_owned(), "Its API key is shown once.".to_owned(), fields, Purpose::AddUser)
    }

    pub fn add_key(account: AccountId, email: &str) -> Form {
        let fields = vec![field("name", "what the key is for", "")];
        let about = format!("One more afk_ key of {email}, shown once.");
        Form::new("Make a key".to_owned(), about, fields, Purpose::AddKey { account })
    }

    pub fn invite() -> Form {
        let fields = vec![
            field("name", "what the machine will be called", ""),
            field("usable for", "90s, 15m, 2h or 7d", "15m"),
        ];
        let about = "Gives one line to paste on that machine; it works once.".to_owned();
        Form::new("Invite a machine".to_owned(), about, fields, Purpose::Invite)
    }

    pub fn priority(jobs: Vec<JobId>, now: Option<i32>) -> Form {
        let now = now.map_or(String::new(), |now| now.to_string());
        let fields = vec![field("priority", "-100 to 100, 0 as it was submitted", &now)];
        let about = match jobs.len() {
            1 => "Among the jobs of its account; other accounts are not touched.".to_owned(),
            count => format!("Of {count} jobs, among those of their accounts."),
        };
        Form::new("Set the priority".to_owned(), about, fields, Purpose::Priority { jobs })
    }

    pub fn weight(account: AccountId, email: &str) -> Form {
        let fields = vec![field("weight", "1 to 1000; 2 gets twice the work of 1 while both wait", "")];
        let about = format!("The share of {email} beside other accounts.");
        Form::new("Set the weight".to_owned(), about, fields, Purpose::Weight { account })
    }

    pub fn press(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Closes,
            KeyCode::Down | KeyCode::Tab => self.at = (self.at + 1) % self.fields.len(),
            KeyCode::Up | KeyCode::BackTab => self.at = (self.at + self.fields.len() - 1) % self.fields.len(),
            KeyCode::Enter if self.at + 1 < self.fields.len() => self.at += 1,
            KeyCode::Enter => match self.finish() {
                Ok(outcome) => return outcome,
                Err((at, wrong)) => {
                    self.at = at;
                    self.wrong = Some(wrong);
                }
            },
            _ => {
                self.wrong = None;
                type_into(&mut self.fields[self.at].input, key);
            }
        }
        Outcome::Stays
    }

    fn text(&self, at: usize) -> &str {
        self.fields[at].input.value().trim()
    }

    fn number(&self, at: usize) -> Result<Xeconds, (usize, String)> {
        let number = self.text(at).parse().map(Xeconds);
        number.map_err(|_| (at, format!("'{}' is not a whole number", self.text(at))))
    }

    fn needed(&self, at: usize) -> Result<String, (usize, String)> {
        match self.text(at) {
            "" => Err((at, format!("{} must not be empty", self.fields[at].label))),
            text => Ok(text.to_owned()),
        }
    }

    /// What is asked for, or the field that is wrong and why. The daemon checks again, and more.
    fn finish(&self) -> Result<Outcome, (usize, String)> {
        match &self.purpose {
            Purpose::Grant { account, email, balance } => {
                let xeconds = self.number(0)?;
                if xeconds <= Xeconds::ZERO {
                    return Err((0, "xeconds must be above 0: take some back with A".to_owned()));
                }
                let reason = self.needed(1)?;
                let kind = match self.text(2) {
                    "paid" => CreditKind::Paid,
                    "trial" => CreditKind::Trial,
                    _ => return Err((2, "it counts as paid or as trial".to_owned())),
                };
                let effect = change(email, *balance, xeconds, &reason);
                let asks = vec![Asked::Grant { account: *account, xeconds, reason, kind }];
                Ok(question("Give xeconds?", effect, "give", asks))
            }
            Purpose::Adjust { account, email, balance } => {
                let xeconds = self.number(0)?;
                let reason = self.needed(1)?;
                let effect = change(email, *balance, xeconds, &reason);
                let asks = vec![Asked::Adjust { account: *account, xeconds, reason }];
                Ok(question("Correct the balance?", effect, "correct", asks))
            }
            Purpose::AddUser => {
                let email = self.needed(0)?;
                if !email.contains('@') {
                    return Err((0, "an account is named by an e-mail address".to_owned()));
                }
                Ok(Outcome::Asks(vec![Asked::AddUser { email, xeconds: self.number(1)? }]))
            }
            Purpose::AddKey { account } => {
                Ok(Outcome::Asks(vec![Asked::AddKey { account: *account, name: self.needed(0)? }]))
            }
            Purpose::Priority { jobs } => {
                let wrong = || (0, format!("'{}' is not a whole number from -100 to 100", self.text(0)));
                let priority: i32 = self.text(0).parse().map_err(|_| wrong())?;
                Ok(Outcome::Asks(jobs.iter().map(|job| Asked::Prioritise { job: *job, priority }).collect()))
            }
            Purpose::Weight { account } => {
                let wrong = || (0, format!("'{}' is not a whole number from 1 to 1000", self.text(0)));
                let weight = self.text(0).parse().map_err(|_| wrong())?;
                Ok(Outcome::Asks(vec![Asked::Weigh { account: *account, weight }]))
            }
            Purpose::Invite => {
                let name = self.needed(0)?;
                let valid_seconds = crate::command::span(self.text(1)).map_err(|wrong| (1, wrong))?;
                Ok(Outcome::Asks(vec![Asked::Invite { name, valid_seconds }]))
            }
        }
    }
}

fn change(email: &str, balance: Xeconds, xeconds: Xeconds, reason: &str) -> Vec<String> {
    let after = balance.checked_add(xeconds).map_or_else(|| "too much".to_owned(), |sum| sum.to_string());
    vec![email.to_owned(), format!("balance {balance} {:+} = {after}", xeconds.0), format!("reason: {reason}")]
}

fn question(title: &str, lines: Vec<String>, verb: &'static str, asks: Vec<Asked>) -> Outcome {
    Outcome::Becomes(Box::new(Question { title: title.to_owned(), lines, verb, yes: false, asks }))
}

/// Types a key into a line, with the customary keys of readline.
pub fn type_into(input: &mut Input, key: &KeyEvent) {
    let held = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
    if matches!(key.code, KeyCode::Char(letter) if letter.is_control() && held.is_empty()) {
        return;
    }
    input.handle_event(&TerminalEvent::Key(*key));
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn fill(form: &mut Form, texts: &[&str]) -> Outcome {
        let mut outcome = Outcome::Stays;
        for text in texts {
            for letter in text.chars() {
                form.press(&key(KeyCode::Char(letter)));
            }
            outcome = form.press(&key(KeyCode::Enter));
        }
        outcome
    }

    #[test]
    fn a_question_that_is_only_confirmed_does_nothing() {
        let asks = vec![Asked::Sweep { dry_run: false }];
        let question =
            || Question { title: String::new(), lines: Vec::new(), verb: "sweep", yes: false, asks: asks.clone() };
        assert_eq!(question().press(&key(KeyCode::Enter)), Outcome::Closes);
        assert_eq!(question().press(&key(KeyCode::Char('n'))), Outcome::Closes);
        assert_eq!(question().press(&key(KeyCode::Char('x'))), Outcome::Stays);
        assert_eq!(question().press(&key(KeyCode::Char('y'))), Outcome::Asks(asks.clone()));
        let mut chosen = question();
        assert_eq!(chosen.press(&key(KeyCode::Right)), Outcome::Stays);
        assert_eq!(chosen.press(&key(KeyCode::Enter)), Outcome::Asks(asks.clone()));
    }

    #[test]
    fn a_grant_is_asked_for_with_the_balance_it_makes() {
        let mut form = Form::grant(AccountId(Uuid::nil()), "ann@example.org".into(), Xeconds(20));
        let Outcome::Becomes(question) = fill(&mut form, &["50", "a gift", ""]) else { panic!("{form:?}") };
        assert_eq!(question.lines, ["ann@example.org", "balance 20 +50 = 70", "reason: a gift"]);
        assert!(!question.yes);
        assert!(matches!(&question.asks[..], [Asked::Grant { xeconds: Xeconds(50), kind: CreditKind::Paid, .. }]));
    }

    #[test]
    fn a_form_that_is_wrong_stays_open_at_the_field_and_says_why() {
        let check = |texts: [&str; 3], at: usize, phrase: &str| {
            let mut form = Form::grant(AccountId(Uuid::nil()), "ann@example.org".into(), Xeconds(20));
            assert_eq!(fill(&mut form, &texts), Outcome::Stays, "{texts:?}");
            assert_eq!(form.at, at);
            assert!(form.wrong.as_ref().is_some_and(|wrong| wrong.contains(phrase)), "{form:?}");
        };
        check(["many", "a gift", ""], 0, "not a whole number");
        check(["-5", "a gift", ""], 0, "above 0");
        check(["5", "", ""], 1, "reason must not be empty");
        check(["5", "a gift", "x"], 2, "paid or as trial");
    }

    #[test]
    fn an_invitation_reads_spans_as_the_command_line_does() {
        let mut form = Form::invite();
        assert_eq!(
            fill(&mut form, &["gpu-1", ""]),
            Outcome::Asks(vec![Asked::Invite { name: "gpu-1".into(), valid_seconds: 900 }])
        );
    }
}
