// What lists share that a script draws: words, asking the server, telling people, times as people write them.
// `element`, `props` and `server` are Gradio's; ui/live.py gives them. It knows no tab.

easel.listing = (element, props, server) => {
  const words = props.words;
  const lang = document.documentElement.lang || "en";
  const say = (key, values) => easel.say(words[key], values);

  const told = easel.make("p", { class: "told", role: "status", hidden: true });
  const tell = (line) => {
    told.textContent = line;
    told.hidden = !line;
  };

  // Asks the server; null where it could not, and then people have been told.
  const ask = async (name, wishes = {}) => {
    let answer;
    try {
      answer = await server[name](wishes);
    } catch {
      answer = { error: words.lost };
    }
    tell(answer?.error ?? "");
    return answer?.error ? null : answer;
  };

  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" });

  const dayName = (day) => {
    const [year, month, date] = day.split("-").map(Number);
    const format = { year: "numeric", month: "long", day: "numeric", weekday: "short" };
    return new Date(year, month - 1, date).toLocaleDateString(lang, format);
  };

  const duration = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole >= 60) return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
    return new Intl.NumberFormat(lang, { style: "unit", unit: "second", unitDisplay: "short" }).format(whole);
  };

  // Calls seen(true) when the list comes into view, as when its tab is opened, and seen(false) when it goes.
  const watched = (seen) => {
    let inView = false;
    let showing = false;
    const look = () => {
      const now = inView && document.visibilityState === "visible";
      if (now !== showing) seen((showing = now));
    };
    new IntersectionObserver((entries) => {
      inView = entries[entries.length - 1].isIntersecting;
      look();
    }).observe(element);
    document.addEventListener("visibilitychange", look);
  };

  // Returns a function that does something once it has not been called for a while.
  const soon = (action, wait = 300) => {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(action, wait);
    };
  };

  return { say, make: easel.make, told, ask, clock, dayName, duration, watched, soon };
};
