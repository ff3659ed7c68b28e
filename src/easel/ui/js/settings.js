// The settings' search, and what a user's new forms begin with.

easel.settings = (element) => {
  const form = document.querySelector("#settings-form");
  const empty = element.querySelector(".empty");
  element.querySelector("#settings-search").addEventListener("input", (event) => {
    const words = event.target.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const group of form.querySelectorAll(".settings-group")) {
      const title = group.querySelector(".settings-title").textContent.toLocaleLowerCase();
      let some = false;
      for (const one of group.querySelectorAll(".block:not(.settings-title)")) {
        const text = `${title} ${one.textContent.toLocaleLowerCase()}`;
        const fits = words.every((word) => text.includes(word));
        one.classList.toggle("not-found", !fits);
        some ||= fits;
      }
      group.classList.toggle("not-found", !some);
      any ||= some;
    }
    empty.hidden = any;
  });
};

// What this user wants new forms to begin with, by the places of controls; asked for once.
easel.own = () => {
  easel.owned ??= fetch("/files/settings")
    .then((answer) => (answer.ok ? answer.json() : {}))
    .catch(() => ({}));
  return easel.owned;
};
