//! What pages say, in each language.

use domain::messaging::Channel;

use super::language::Language;

/// The texts of one language. `{}` stands for what a page puts there.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) sender: &'static str,

    pub(crate) leave: &'static str,
    pub(crate) leave_button: &'static str,
    pub(crate) left: &'static str,
    /// What comes no more: a topic, or everything on a channel.
    pub(crate) no_more: &'static str,
    pub(crate) no_more_letters: &'static str,
    pub(crate) no_more_texts: &'static str,
    pub(crate) orders: &'static str,

    pub(crate) nowhere: &'static str,
    pub(crate) nowhere_why: &'static str,
    pub(crate) trouble: &'static str,
    pub(crate) trouble_why: &'static str,

    pub(crate) choose: &'static str,
    pub(crate) choose_letters: &'static str,
    pub(crate) choose_texts: &'static str,
    pub(crate) no_topics: &'static str,
    pub(crate) save: &'static str,
    pub(crate) nothing: &'static str,
    pub(crate) saved: &'static str,

    pub(crate) confirm: &'static str,
    pub(crate) confirm_why: &'static str,
    pub(crate) confirm_button: &'static str,
    pub(crate) confirmed: &'static str,
    pub(crate) from_now_on: &'static str,
}

const ENGLISH: Words = Words {
    sender: "Sender: {}",
    leave: "Unsubscribe?",
    leave_button: "Unsubscribe",
    left: "You are unsubscribed",
    no_more: "You will no longer receive “{}”.",
    no_more_letters: "You will no longer receive newsletters and offers by e-mail.",
    no_more_texts: "You will no longer receive news and offers by text message.",
    orders: "Messages about your orders and your account may still come.",
    nowhere: "This link does not work",
    nowhere_why: "It is damaged or has expired. Please use the link in a more recent message.",
    trouble: "Something went wrong",
    trouble_why: "Please try again in a minute.",
    choose: "Your subscriptions",
    choose_letters: "What would you like to receive by e-mail?",
    choose_texts: "What would you like to receive by text message?",
    no_topics: "There is nothing to choose from at the moment.",
    save: "Save",
    nothing: "Unsubscribe from everything",
    saved: "Your choice has been saved.",
    confirm: "Confirm your subscription",
    confirm_why: "Somebody entered your address to receive “{}”. If it was not you, simply close this page: nothing will be sent.",
    confirm_button: "Confirm",
    confirmed: "You are subscribed",
    from_now_on: "From now on you will receive “{}”.",
};

const RUSSIAN: Words = Words {
    sender: "Отправитель: {}",
    leave: "Отписаться от рассылки?",
    leave_button: "Отписаться",
    left: "Вы отписались",
    no_more: "Вы больше не будете получать «{}».",
    no_more_letters: "Вы больше не будете получать рассылки по электронной почте.",
    no_more_texts: "Вы больше не будете получать рассылки по SMS.",
    orders: "Сообщения о ваших заказах и учётной записи могут приходить и дальше.",
    nowhere: "Ссылка не работает",
    nowhere_why: "Она повреждена или устарела. Воспользуйтесь ссылкой из более нового сообщения.",
    trouble: "Что-то пошло не так",
    trouble_why: "Пожалуйста, попробуйте ещё раз через минуту.",
    choose: "Ваши подписки",
    choose_letters: "Что вы хотите получать по электронной почте?",
    choose_texts: "Что вы хотите получать по SMS?",
    no_topics: "Сейчас выбирать не из чего.",
    save: "Сохранить",
    nothing: "Отписаться от всего",
    saved: "Ваш выбор сохранён.",
    confirm: "Подтвердите подписку",
    confirm_why: "Кто-то указал ваш адрес, чтобы получать «{}». Если это были не вы, просто закройте страницу: мы ничего не пришлём.",
    confirm_button: "Подтвердить",
    confirmed: "Вы подписаны",
    from_now_on: "Теперь вы будете получать «{}».",
};

const UKRAINIAN: Words = Words {
    sender: "Відправник: {}",
    leave: "Відписатися від розсилки?",
    leave_button: "Відписатися",
    left: "Ви відписалися",
    no_more: "Ви більше не отримуватимете «{}».",
    no_more_letters: "Ви більше не отримуватимете розсилок електронною поштою.",
    no_more_texts: "Ви більше не отримуватимете розсилок через SMS.",
    orders: "Повідомлення про ваші замовлення та обліковий запис можуть надходити й надалі.",
    nowhere: "Посилання не працює",
    nowhere_why: "Воно пошкоджене або застаріле. Скористайтеся посиланням із новішого повідомлення.",
    trouble: "Щось пішло не так",
    trouble_why: "Будь ласка, спробуйте ще раз за хвилину.",
    choose: "Ваші підписки",
    choose_letters: "Що ви хочете отримувати електронною поштою?",
    choose_texts: "Що ви хочете отримувати через SMS?",
    no_topics: "Зараз немає з чого вибирати.",
    save: "Зберегти",
    nothing: "Відписатися від усього",
    saved: "Ваш вибір збережено.",
    confirm: "Підтвердьте підписку",
    confirm_why: "Хтось указав вашу адресу, щоб отримувати «{}». Якщо це були не ви, просто закрийте сторінку: ми нічого не надсилатимемо.",
    confirm_button: "Підтвердити",
    confirmed: "Ви підписані",
    from_now_on: "Відтепер ви отримуватимете «{}».",
};

impl Words {
    pub(crate) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Russian => &RUSSIAN,
            Language::Ukrainian => &UKRAINIAN,
        }
    }

    /// What somebody who leaves gets no more.
    pub(crate) fn no_more(&self, channel: Channel, topic: Option<&str>) -> String {
        match (topic, channel) {
            (Some(topic), _) => filled(self.no_more, topic),
            (None, Channel::Email) => self.no_more_letters.to_owned(),
            (None, Channel::Sms) => self.no_more_texts.to_owned(),
        }
    }

    pub(crate) const fn choose_by(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Email => self.choose_letters,
            Channel::Sms => self.choose_texts,
        }
    }
}

/// A text with what stands in its place.
pub(crate) fn filled(text: &str, with: &str) -> String {
    text.replacen("{}", with, 1)
}
