//! What the pages say, in both languages, as far as the tests go by it. It stands here once more, so that a sentence that
//! changes unmeant is noticed.

use browsers::Person;

macro_rules! words {
    ($($key:ident: $english:literal, $turkish:literal;)*) => {
        /// Words of one language. `{0}`, `{1}` … are gaps.
        #[derive(Debug)]
        pub struct Words {
            $(pub $key: &'static str,)*
        }

        const ENGLISH: Words = Words { $($key: $english,)* };
        const TURKISH: Words = Words { $($key: $turkish,)* };
    };
}

words! {
    user_name: "User name", "Kullanıcı adı";
    password: "Password", "Parola";
    sign_in: "Sign in", "Oturum aç";
    sign_out: "Sign out", "Çıkış yap";
    signed_in_as: "Signed in as {0}", "{0} olarak oturum açıldı";
    services: "Services", "Hizmetler";
    email: "Email", "E-posta";
    services_title: "Email services", "E-posta hizmetleri";
    info_of: "Information about {0}", "{0} hakkında bilgi";
    general: "General information", "Genel bilgiler";
    manage_users: "Manage Users", "Kullanıcıları Yönet";
    go_to_webmail: "Go to Webmail", "Webmail'e Git";
    edit: "Edit: {0}", "Düzenle: {0}";
    edit_title: "Edit user", "Kullanıcıyı düzenle";
    change_password: "Change Password", "Parolayı Değiştir";
    new_password: "New Password", "Yeni Parola";
    strength: "Strength", "Güç";
    suggest: "Suggest a Strong Password", "Güçlü Bir Parola Öner";
    suggested: "A strong password stands in the field.", "Alana güçlü bir parola yazıldı.";
    copy: "Copy", "Kopyala";
    copied: "Copied", "Kopyalandı";
    save: "Save", "Kaydet";
    saved: "Saved", "Kaydedildi";
    saved_password: "{0} has a new password. The old one is no longer taken.", "{0} için yeni parola belirlendi. Eski parola artık geçersiz.";
    active_since: "Active since {0} · change {1}", "{0} itibarıyla etkin · değişiklik {1}";
    first_name: "First Name", "Ad";
    quota: "Quota", "Kota";
    there_is_a_problem: "There is a problem", "Bir sorun var";
    webmail_address: "Email address", "E-posta adresi";
    webmail_sign_in: "Sign in to webmail", "Webmail'de oturum aç";
    webmail_with: "Signed in with change {0}", "{0} numaralı değişiklikle oturum açıldı";
    webmail_wrong: "The address or the password is wrong.", "Adres veya parola yanlış.";
    stale_title: "Somebody saved in between", "Arada başka biri kaydetti";
    not_found: "Page not found", "Sayfa bulunamadı";
}

impl Words {
    /// Those that a person reads.
    pub fn of(person: &Person) -> &'static Self {
        match person.language {
            "tr" => &TURKISH,
            _ => &ENGLISH,
        }
    }
}

/// English.
pub const EN: &Words = &ENGLISH;

/// A sentence with its gaps filled.
pub fn filled(sentence: &str, with: &[&str]) -> String {
    let fill = |text: String, (n, with): (usize, &&str)| text.replace(&format!("{{{n}}}"), with);
    with.iter().enumerate().fold(sentence.to_owned(), fill)
}
