//! Every sentence that a page says, in every language: one catalogue, with the languages of a sentence side by side.
//!
//! A sentence that is missing in one does not compile. `{0}`, `{1}` … are filled in by [`fill`]; a test holds that the languages
//! fill in the same.

/// A language that pages are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Turkish.
    Turkish,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Turkish];

    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Turkish => "tr",
        }
    }

    /// Its name, in itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Turkish => "Türkçe",
        }
    }

    /// The language with this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The one that an `Accept-Language` (RFC 9110 §12.5.4) likes best of ours; English where it likes none.
    pub fn of_browser(accepted: &str) -> Self {
        let mut best = (0.0, Self::English);
        for range in accepted.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            if let (Some(language), Some(weight)) = (Self::of_tag(&primary), weight)
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }

    /// What pages say in it.
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::Turkish => &TURKISH,
        }
    }
}

/// A sentence with its gaps filled: `{0}` by the first, and so on.
pub fn fill(sentence: &str, with: &[&str]) -> String {
    let mut filled = String::with_capacity(sentence.len() + 16);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((number, after)) = after.split_once('}') else { break };
        filled.push_str(number.parse().ok().and_then(|n: usize| with.get(n).copied()).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

macro_rules! catalogue {
    ($($key:ident: $english:literal, $turkish:literal;)*) => {
        /// What pages say, in one language.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "each says itself, below")]
        pub struct Texts {
            $(pub $key: &'static str,)*
        }

        const ENGLISH: Texts = Texts { $($key: $english,)* };
        const TURKISH: Texts = Texts { $($key: $turkish,)* };

        #[cfg(test)]
        const ALL: &[(&str, [&str; 2])] = &[$((stringify!($key), [$english, $turkish]),)*];
    };
}

catalogue! {
    product: "Customer Panel", "Müşteri Paneli";
    skip: "Skip to content", "İçeriğe geç";
    menu_services: "Services", "Hizmetler";
    menu_email: "Email", "E-posta";
    menu_label: "Main menu", "Ana menü";
    where_label: "You are here", "Buradasınız";
    language_label: "Language", "Dil";
    support: "Support", "Destek";
    sign_out: "Sign out", "Çıkış yap";
    signed_in_as: "Signed in as {0}", "{0} olarak oturum açıldı";
    version: "postkey {0}", "postkey {0}";
    cancel: "Cancel", "Vazgeç";
    save: "Save", "Kaydet";
    search: "Search", "Ara";
    there_is_a_problem: "There is a problem", "Bir sorun var";
    error_prefix: "Error:", "Hata:";

    sign_in_title: "Sign in", "Oturum aç";
    sign_in_lead: "Manage your email services and mailboxes.", "E-posta hizmetlerinizi ve posta kutularınızı yönetin.";
    user_name: "User name", "Kullanıcı adı";
    password: "Password", "Parola";
    sign_in_wrong: "The user name or the password is wrong.", "Kullanıcı adı veya parola yanlış.";
    sign_in_wait: "Too many attempts. Wait {0} s, then try again.", "Çok fazla deneme yapıldı. {0} sn bekleyip yeniden deneyin.";
    sign_in_later: "Nobody can be signed in right now. Try again in a moment.", "Şu anda oturum açılamıyor. Birazdan yeniden deneyin.";
    session_ended: "Your session has ended. Sign in again.", "Oturumunuz sona erdi. Yeniden oturum açın.";
    session_ended_unsaved: "Your session has ended, and what you sent last was not saved. Sign in again.", "Oturumunuz sona erdi ve son gönderdikleriniz kaydedilmedi. Yeniden oturum açın.";
    signed_out: "You have signed out.", "Çıkış yaptınız.";

    services_title: "Email services", "E-posta hizmetleri";
    services_none: "There is no email service on this account yet.", "Bu hesapta henüz bir e-posta hizmeti yok.";
    domain: "Domain", "Alan adı";
    plan: "Plan", "Paket";
    plan_words: "{0} mailboxes, {1}", "{0} posta kutusu, {1}";
    info: "Info", "Bilgi";
    info_of: "Information about {0}", "{0} hakkında bilgi";
    next_page: "Next page", "Sonraki sayfa";
    first_page: "First page", "İlk sayfa";

    service_title: "Service information", "Hizmet bilgileri";
    general: "General information", "Genel bilgiler";
    mailboxes: "Mailboxes", "Posta kutuları";
    mailboxes_words: "{0} of {1} used", "{1} kutudan {0} tanesi kullanılıyor";
    storage: "Storage", "Depolama";
    storage_words: "{0} of {1} allotted", "{1} alanın {0} kadarı ayrıldı";
    storage_left: "{0} left to allot", "Ayrılabilecek {0} kaldı";
    state: "State", "Durum";
    state_well: "Everything is up to date", "Her şey güncel";
    state_behind: "Changes are in force with a delay of about {0}", "Değişiklikler yaklaşık {0} gecikmeyle geçerli oluyor";
    state_stopped: "Changes are stored but are not put in force right now. Our staff has to look at it", "Değişiklikler kaydediliyor ama şu anda yürürlüğe konmuyor. Görevlilerimizin bakması gerekiyor";
    state_unknown: "The state can't be told right now", "Durum şu anda öğrenilemiyor";
    management: "Management options", "Yönetim seçenekleri";
    manage_users: "Manage Users", "Kullanıcıları Yönet";
    manage_users_lead: "Mailbox users, their passwords and quotas.", "Posta kutusu kullanıcıları, parolaları ve kotaları.";
    go_to_webmail: "Go to Webmail", "Webmail'e Git";
    webmail_lead: "Read and write mail in the browser.", "Postaları tarayıcıda okuyun ve yazın.";

    add_user: "Add user", "Kullanıcı ekle";
    search_label: "Search by name or address", "Ada veya adrese göre ara";
    search_all: "Show all", "Tümünü göster";
    search_none: "No user matches “{0}”.", "“{0}” ile eşleşen kullanıcı yok.";
    users_none: "There are no users yet.", "Henüz kullanıcı yok.";
    users_shown: "Users {0} to {1}", "Kullanıcılar {0}–{1}";
    users_caption: "Users of {0}", "{0} kullanıcıları";
    name: "Name", "Ad";
    address: "Address", "Adres";
    quota: "Quota", "Kota";
    last_change: "Last change", "Son değişiklik";
    password_set: "Password set", "Parola tarihi";
    actions: "Actions", "İşlemler";
    change_number: "change {0}", "değişiklik {0}";
    user_active: "Active", "Etkin";
    user_suspended: "Suspended", "Askıda";
    user_removed: "Removed", "Kaldırıldı";
    erased: "(erased)", "(silindi)";
    edit: "Edit", "Düzenle";
    suspend: "Suspend", "Askıya al";
    reactivate: "Reactivate", "Yeniden etkinleştir";
    remove: "Remove", "Kaldır";
    history: "History", "Geçmiş";
    action_of: "{0}: {1}", "{0}: {1}";
    search_bad: "Search for 1 to 100 characters, at least one of them a letter, a digit or a symbol.", "1 ile 100 arası karakterle arayın; en az biri harf, rakam veya simge olsun.";

    add_title: "Add user", "Kullanıcı ekle";
    edit_title: "Edit user", "Kullanıcıyı düzenle";
    first_name: "First Name", "Ad";
    last_name: "Last Name", "Soyad";
    local_part: "Address", "Adres";
    local_part_hint: "Letters a to z, digits, and . _ + - before @{0}", "@{0} öncesinde a-z harfleri, rakamlar ve . _ + -";
    change_password: "Change Password", "Parolayı Değiştir";
    change_password_hint: "Leave this unticked to keep the password as it is.", "Parola olduğu gibi kalsın istiyorsanız işaretlemeyin.";
    new_password: "New Password", "Yeni Parola";
    show_password: "Show password", "Parolayı göster";
    hide_password: "Hide password", "Parolayı gizle";
    suggest: "Suggest a Strong Password", "Güçlü Bir Parola Öner";
    suggest_failed: "No password can be suggested right now. Try again in a moment.", "Şu anda parola önerilemiyor. Birazdan yeniden deneyin.";
    suggested: "A strong password stands in the field. Copy it before you save: it is not shown again.", "Alana güçlü bir parola yazıldı. Kaydetmeden önce kopyalayın: bir daha gösterilmez.";
    copy: "Copy", "Kopyala";
    copied: "Copied", "Kopyalandı";
    copy_failed: "Could not copy: select the password and copy it yourself", "Kopyalanamadı: parolayı seçip kendiniz kopyalayın";
    strength: "Strength", "Güç";
    strength_0: "very weak", "çok zayıf";
    strength_1: "weak", "zayıf";
    strength_2: "fair", "orta";
    strength_3: "strong", "güçlü";
    strength_4: "very strong", "çok güçlü";
    rules_title: "The password must:", "Parola şu kurallara uymalı:";
    rules_met: "All rules are met", "Tüm kurallar sağlandı";
    rules_left: "Rules not met yet:", "Henüz sağlanmayan kurallar:";
    rule_met: "met:", "sağlandı:";
    rule_open: "not met yet:", "henüz sağlanmadı:";
    rule_too_short: "have at least {0} characters", "en az {0} karakter olmalı";
    rule_too_long: "have at most {0} bytes", "en çok {0} bayt olmalı";
    rule_missing_upper: "have an upper-case letter", "bir büyük harf içermeli";
    rule_missing_lower: "have a lower-case letter", "bir küçük harf içermeli";
    rule_missing_digit: "have a digit", "bir rakam içermeli";
    rule_missing_symbol: "have a symbol, such as ! or -", "! veya - gibi bir simge içermeli";
    rule_contains_personal: "not contain the user's names, address or domain", "kullanıcının adını, adresini veya alan adını içermemeli";
    rule_too_guessable: "be hard to guess", "tahmin edilmesi zor olmalı";
    rule_blocklisted: "not be a common password", "yaygın bir parola olmamalı";
    quota_unit: "Unit", "Birim";
    quota_hint: "Up to {0} for this mailbox: {1} of the pool is not allotted.", "Bu kutu için en çok {0}: havuzun {1} kadarı ayrılmamış.";
    error_first_name: "Enter a first name of 1 to 100 characters", "1 ile 100 karakter arasında bir ad girin";
    error_last_name: "Enter a last name of 1 to 100 characters", "1 ile 100 karakter arasında bir soyad girin";
    error_local_part: "Enter the part before the @: 1 to 64 letters a to z, digits, and . _ + -", "@ işaretinden önceki kısmı girin: 1 ile 64 arası a-z harfi, rakam ve . _ + -";
    error_address_taken: "This address is taken. Choose another one", "Bu adres alınmış. Başka bir adres seçin";
    error_plan_full: "All mailboxes of the plan are in use", "Paketteki tüm posta kutuları kullanımda";
    error_quota: "Enter a quota of at least 1 MiB, in whole MiB", "En az 1 MiB olmak üzere tam MiB cinsinden bir kota girin";
    error_pool: "The quota is more than is left: at most {0}", "Kota kalan alandan fazla: en çok {0}";
    error_password_missing: "Enter a new password, or untick Change Password", "Yeni bir parola girin ya da Parolayı Değiştir'in işaretini kaldırın";
    error_password_needed: "Enter a password", "Bir parola girin";
    error_password_again: "Enter the password again: it is not kept when a page is shown again", "Parolayı yeniden girin: sayfa yeniden gösterilirken saklanmaz";
    error_rule: "The password must {0}", "Parola {0}";
    error_password_unreadable: "The password is too long, or has characters that none may have", "Parola çok uzun ya da kullanılamayacak karakterler içeriyor";
    error_refused: "This can't be done as it stands now. Go back and look again", "Bu, şu anki durumda yapılamıyor. Geri dönüp yeniden bakın";
    unsure: "It could not be made sure that this was saved. Press {0} again: nothing is carried out twice.", "Kaydedildiğinden emin olunamadı. {0} düğmesine yeniden basın: hiçbir şey iki kez uygulanmaz.";
    later: "This can't be saved right now. Try again in a moment.", "Bu şu anda kaydedilemiyor. Birazdan yeniden deneyin.";
    used_before: "This form was sent before with other content. Look at it once more and press {0} again.", "Bu form daha önce başka içerikle gönderilmiş. Bir kez daha bakıp {0} düğmesine yeniden basın.";
    nothing_changed: "Nothing was changed: everything is as it was before.", "Hiçbir şey değişmedi: her şey eskisi gibi.";

    stale_title: "Somebody saved in between", "Arada başka biri kaydetti";
    stale_lead: "While this form was open, the user was changed. Compare, and decide.", "Bu form açıkken kullanıcı değiştirildi. Karşılaştırıp karar verin.";
    stale_theirs: "Saved now", "Şu anda kayıtlı";
    stale_yours: "Yours", "Sizinki";
    stale_caption: "What is saved now, and what you entered", "Şu anda kayıtlı olan ve sizin girdiğiniz";
    stale_password: "A new password was set in between, too.", "Arada yeni bir parola da belirlendi.";
    stale_keep: "Keep what is saved", "Kayıtlı olanı koru";
    stale_same: "What is saved now is the same as yours.", "Şu anda kayıtlı olan sizinkiyle aynı.";
    stale_mine: "Saving now puts yours in its place.", "Şimdi kaydederseniz sizinki onun yerine geçer.";
    stale_again: "The user was changed in between. Look at the present state and confirm again.", "Kullanıcı arada değiştirildi. Şimdiki duruma bakıp yeniden onaylayın.";

    suspend_title: "Suspend {0}?", "{0} askıya alınsın mı?";
    suspend_what: "From then on nobody can sign in to this mailbox. Mail, address and quota are kept, and you can reactivate it at any time.", "O andan itibaren bu posta kutusunda oturum açılamaz. Postalar, adres ve kota korunur; istediğiniz zaman yeniden etkinleştirebilirsiniz.";
    reactivate_title: "Reactivate {0}?", "{0} yeniden etkinleştirilsin mi?";
    reactivate_what: "The user can sign in again with the password that was last set.", "Kullanıcı en son belirlenen parolayla yeniden oturum açabilir.";
    remove_title: "Remove {0}?", "{0} kaldırılsın mı?";
    remove_what: "Nobody can sign in to this mailbox any more, and its password is gone. The mailbox and its quota are free for others at once; the address is not given to anybody else. This can't be undone.", "Bu posta kutusunda artık oturum açılamaz ve parolası silinir. Posta kutusu ve kotası hemen başkaları için boşalır; adres başka kimseye verilmez. Bu işlem geri alınamaz.";

    saved_title: "Saved", "Kaydedildi";
    saved_active: "Active since {0} · change {1}", "{0} itibarıyla etkin · değişiklik {1}";
    saved_in_force: "Active · change {0}", "Etkin · değişiklik {0}";
    saved_pending: "Change {0} is stored and will be in force in a moment. This page turns by itself.", "Değişiklik {0} kaydedildi ve birazdan geçerli olacak. Bu sayfa kendiliğinden yenilenir.";
    saved_pending_hint: "Until then, sign-in works as before the change.", "O zamana kadar oturum açma değişiklikten önceki gibi çalışır.";
    saved_edited: "{0} was changed.", "{0} değiştirildi.";
    saved_password: "{0} has a new password. The old one is no longer taken.", "{0} için yeni parola belirlendi. Eski parola artık geçersiz.";
    saved_added: "{0} was added.", "{0} eklendi.";
    saved_suspended: "{0} was suspended.", "{0} askıya alındı.";
    saved_reactivated: "{0} was reactivated.", "{0} yeniden etkinleştirildi.";
    saved_removed: "{0} was removed.", "{0} kaldırıldı.";
    the_user: "The user", "Kullanıcı";

    history_title: "History of {0}", "{0} geçmişi";
    history_caption: "Who changed what, and when", "Kim, neyi, ne zaman değiştirdi";
    history_when: "When", "Ne zaman";
    history_what: "What", "Ne";
    history_who: "Who", "Kim";
    history_none: "Nothing is known of this user.", "Bu kullanıcı hakkında kayıt yok.";
    event_added: "Added as {0} ({1}), quota {2}", "{0} ({1}) olarak eklendi, kota {2}";
    event_first_name: "First name set to {0}", "Ad {0} yapıldı";
    event_last_name: "Last name set to {0}", "Soyad {0} yapıldı";
    event_quota: "Quota set to {0}", "Kota {0} yapıldı";
    event_names_erased: "Names changed", "Adlar değiştirildi";
    event_password: "New password set", "Yeni parola belirlendi";
    event_own_password: "Password changed by the user", "Parola kullanıcı tarafından değiştirildi";
    event_suspended: "Suspended", "Askıya alındı";
    event_reactivated: "Reactivated", "Yeniden etkinleştirildi";
    event_removed: "Removed", "Kaldırıldı";
    event_erased: "Erased", "Silindi";
    event_other: "Changed ({0})", "Değişti ({0})";
    who_user: "The user, in webmail", "Kullanıcı, webmail'de";
    who_client: "client “{0}”", "“{0}” istemcisi";
    who_account: "{0} (client “{1}”)", "{0} (“{1}” istemcisi)";

    webmail_title: "Webmail", "Webmail";
    webmail_sign_in: "Sign in to webmail", "Webmail'de oturum aç";
    webmail_address: "Email address", "E-posta adresi";
    webmail_wrong: "The address or the password is wrong.", "Adres veya parola yanlış.";
    webmail_changed: "This mailbox or its password was changed. Sign in again.", "Bu posta kutusu veya parolası değiştirildi. Yeniden oturum açın.";
    webmail_hello: "Welcome, {0}", "Hoş geldiniz, {0}";
    webmail_with: "Signed in with change {0}", "{0} numaralı değişiklikle oturum açıldı";
    webmail_stand_in: "This page stands in for a webmail server and shows no mail. Every click checks the password again.", "Bu sayfa bir webmail sunucusunun yerini tutar ve posta göstermez. Her tıklamada parola yeniden denetlenir.";
    webmail_check: "Check again", "Yeniden denetle";

    failure_not_found: "Page not found", "Sayfa bulunamadı";
    failure_not_found_lead: "There is no such page, or it is not yours.", "Böyle bir sayfa yok ya da size ait değil.";
    failure_refused: "This can't be done", "Bu yapılamıyor";
    failure_refused_lead: "What was sent can't be read, or came from another site. Go back and try again.", "Gönderilenler okunamıyor ya da başka bir siteden geldi. Geri dönüp yeniden deneyin.";
    failure_too_large: "That is too much", "Bu çok fazla";
    failure_too_large_lead: "What was sent is larger than is taken here.", "Gönderilenler burada kabul edilenden büyük.";
    failure_later: "Not available right now", "Şu anda kullanılamıyor";
    failure_later_lead: "Something that this page needs is away. Try again in a moment.", "Bu sayfanın gereksindiği bir şeye şu anda ulaşılamıyor. Birazdan yeniden deneyin.";
    failure_broken: "Something went wrong", "Bir şeyler ters gitti";
    failure_broken_lead: "Look whether what you did was carried out. If it happens again, contact support.", "Yaptığınızın uygulanıp uygulanmadığına bakın. Yeniden olursa destekle iletişime geçin.";
    failure_quote: "Quote this number to support:", "Desteğe bu numarayı bildirin:";
    failure_home: "Back to your services", "Hizmetlerinize dönün";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(sentence: &str) -> Vec<&str> {
        let mut gaps: Vec<_> = sentence.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect();
        gaps.sort_unstable();
        gaps
    }

    #[test]
    fn every_sentence_is_there_in_every_language_with_the_same_gaps() {
        assert!(ALL.len() > 100);
        for (key, [english, turkish]) in ALL {
            assert!(!english.trim().is_empty() && !turkish.trim().is_empty(), "{key}");
            assert_eq!(gaps(english), gaps(turkish), "{key}");
        }
        // Names, and gaps alone.
        let same = ALL.iter().filter(|(_, [english, turkish])| english == turkish).map(|(key, _)| *key);
        assert_eq!(same.collect::<Vec<_>>(), ["version", "action_of", "webmail_title"]);
    }

    #[test]
    fn gaps_are_filled_and_what_fills_them_is_left_alone() {
        assert_eq!(fill("{0} of {1}", &["3", "{0}"]), "3 of {0}");
        assert_eq!(fill("{1} {0} {2}", &["a", "b"]), "b a ");
        assert_eq!(fill("no gap", &["a"]), "no gap");
    }

    #[test]
    fn a_browser_is_answered_in_the_language_that_it_likes_best() {
        for (accepted, expected) in [
            ("", Language::English),
            ("tr", Language::Turkish),
            ("tr-TR,tr;q=0.9,en;q=0.8", Language::Turkish),
            ("en-GB, tr;q=0.5", Language::English),
            ("de, tr;q=0.2, en;q=0.1", Language::Turkish),
            ("de", Language::English),
            ("tr;q=0, en;q=0.1", Language::English),
            ("tr;q=nonsense", Language::English),
        ] {
            assert_eq!(Language::of_browser(accepted), expected, "{accepted}");
        }
    }
}
