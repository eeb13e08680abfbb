// What makes the pages pleasant. Every page works without it.
"use strict";

(() => {
  const local = (root) => {
    const language = document.documentElement.lang;
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      const day = { day: "numeric", month: "short", year: "numeric" };
      const clock = { hour: "2-digit", minute: "2-digit" };
      time.textContent = "second" in time.dataset
        ? at.toLocaleTimeString(language, { ...clock, second: "2-digit", hourCycle: "h23" })
        : time.textContent.includes(":")
          ? at.toLocaleString(language, { ...day, ...clock, hourCycle: "h23" })
          : at.toLocaleDateString(language, day);
    }
  };

  const post = async (path, fields) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(fields),
    });
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  // The field of a new password: show and hide, a suggestion to copy, and what the policy says while one types.
  const password = (box) => {
    const form = box.closest("form");
    const field = box.querySelector("#new_password");
    const tick = form.querySelector("#change_password");
    const said = box.querySelector("[data-rules-said]");
    const note = box.querySelector("#suggested");
    const meter = box.querySelector("meter");
    const strengths = box.dataset.strength.split("|");
    const button = (text) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = text;
      return made;
    };

    const show = button("");
    const visible = (is) => {
      field.type = is ? "text" : "password";
      show.textContent = is ? box.dataset.hide : box.dataset.show;
    };
    box.classList.add("scripted");
    visible(field.type === "text");
    show.addEventListener("click", () => visible(field.type === "password"));
    field.after(show);

    const copy = button(box.dataset.copy);
    copy.hidden = field.value === "";
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(field.value);
        note.textContent = box.dataset.copied;
      } catch {
        visible(true);
        field.select();
        note.textContent = box.dataset.copyFailed;
      }
    });
    show.after(copy);

    let asked = 0;
    const judge = async () => {
      const mine = ++asked;
      const typed = (name) => form.elements[name]?.value ?? "";
      const address = box.dataset.address || `${typed("local_part").trim().toLowerCase()}@${box.dataset.domain}`;
      if (field.value === "") {
        box.classList.remove("live");
        said.textContent = "";
        return;
      }
      let judged;
      try {
        judged = await post("/passwords/check", {
          password: field.value,
          address,
          first_name: typed("first_name"),
          last_name: typed("last_name"),
        });
      } catch {
        // The server judges it again when it is saved.
        box.classList.remove("live");
        return;
      }
      if (mine !== asked) return;
      let left = 0;
      for (const line of box.querySelectorAll("[data-rule]")) {
        const broken = judged.broken.includes(line.dataset.rule);
        left += broken ? 1 : 0;
        line.classList.toggle("met", !broken);
        line.dataset.said = broken ? box.dataset.open : box.dataset.met;
      }
      meter.value = judged.score;
      meter.textContent = strengths[judged.score];
      box.querySelector(".strength-words").textContent = strengths[judged.score];
      said.textContent = left === 0 ? box.dataset.allMet : `${box.dataset.left} ${left}`;
      box.classList.add("live");
    };
    let pause;
    const soon = () => {
      clearTimeout(pause);
      pause = setTimeout(judge, 200);
    };
    field.addEventListener("input", () => {
      copy.hidden = true;
      note.textContent = "";
      soon();
    });
    for (const name of ["first_name", "last_name", "local_part"]) form.elements[name]?.addEventListener("input", soon);

    box.querySelector("button[value=suggest]").addEventListener("click", async (event) => {
      event.preventDefault();
      try {
        field.value = (await post("/passwords/suggest", {})).password;
      } catch {
        note.textContent = box.dataset.suggestFailed;
        return;
      }
      visible(true);
      copy.hidden = false;
      note.textContent = box.dataset.suggested;
      field.focus();
      judge();
    });

    // Unticked, nothing about the password is sent.
    const switched = () => {
      field.disabled = tick !== null && !tick.checked;
    };
    tick?.addEventListener("change", () => {
      switched();
      if (tick.checked) field.focus();
    });
    switched();
    if (field.value !== "") judge();
  };

  // A form that is sent twice is carried out once anyway; the second press is not even sent.
  const once = (form) => {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      else form.dataset.sent = "yes";
      // Whoever stopped the page from loading may press again.
      setTimeout(() => delete form.dataset.sent, 5000);
    });
  };

  const prepare = (root) => {
    local(root);
    root.querySelectorAll("[data-password]").forEach(password);
    root.querySelectorAll("form[data-once]").forEach(once);
  };

  // A page in a dialog: the browser keeps the focus within, and gives it back.
  let dialog;
  const open = (page, url) => {
    const content = page.querySelector("[data-dialog-content]");
    if (content === null) {
      location.assign(url);
      return;
    }
    if (dialog === undefined) {
      dialog = document.createElement("dialog");
      document.body.append(dialog);
      dialog.addEventListener("close", () => dialog.replaceChildren());
    }
    dialog.replaceChildren(document.importNode(content, true));
    const heading = dialog.querySelector("h1");
    heading.id = "dialog-title";
    dialog.setAttribute("aria-labelledby", heading.id);
    prepare(dialog);
    if (!dialog.open) dialog.showModal();
    const first = dialog.querySelector("[data-focus], input:not([type=hidden]), button.grave, button.main");
    first?.focus();
    dialog.scrollTop = 0;
  };
  const load = async (url) => {
    const answer = await fetch(url);
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
      location.assign(url);
      return;
    }
    open(new DOMParser().parseFromString(await answer.text(), "text/html"), url);
  };
  const send = async (form, submitter) => {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, submitter)) });
    if (answer.redirected) {
      location.assign(answer.url);
      return;
    }
    open(new DOMParser().parseFromString(await answer.text(), "text/html"), answer.url);
  };

  document.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a");
    if (link === null) return;
    if ("dialog" in link.dataset && (dialog?.open || !document.querySelector("main [data-dialog-content]"))) {
      event.preventDefault();
      load(link.href).catch(() => location.assign(link.href));
    } else if ("close" in link.dataset && dialog?.open) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !dialog?.open || !dialog.contains(form)) return;
    event.preventDefault();
    send(form, event.submitter).catch(() => form.submit());
  });

  // A menu closes when one looks elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu details[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".menu details[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // A page that the browser has kept is fetched again, for it may not be anybody's to see any more; but where something was typed,
  // which can be sent again.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    const forms = document.querySelectorAll("form[data-once]");
    if (forms.length === 0) location.reload();
    for (const form of forms) delete form.dataset.sent;
  });

  prepare(document);
  document.querySelector("main [data-focus]")?.focus();
})();
