// Ctrl with the arrows up and down: more or less weight for what is marked in a prompt, or for the word at the caret.

{
  const STEP = 0.1;
  const WEIGHED = /^\(([\s\S]*):(-?\d+(?:\.\d+)?)\)$/;

  // From where to where the words go whose weight is changed: what is marked, a weight round it among it.
  const reach = (text, start, end) => {
    if (start === end) {
      while (start > 0 && !/[\s,()[\]:]/.test(text[start - 1])) start -= 1;
      while (end < text.length && !/[\s,()[\]:]/.test(text[end])) end += 1;
    }
    const tail = /^:-?\d+(?:\.\d+)?\)/.exec(text.slice(end));
    return tail && text[start - 1] === "(" ? [start - 1, end + tail[0].length] : [start, end];
  };

  // The words with another weight; without brackets where it is 1.
  easel.weighed = (text, start, end, more) => {
    const [from, to] = reach(text, start, end);
    const [, words, weight] = WEIGHED.exec(text.slice(from, to)) ?? [null, text.slice(from, to), "1"];
    if (!words.trim()) return null;
    const now = Math.round((Number(weight) + (more ? STEP : -STEP)) * 100) / 100;
    const said = now === 1 ? words : `(${words}:${now})`;
    const first = from + (now === 1 ? 0 : 1);
    return { text: text.slice(0, from) + said + text.slice(to), start: first, end: first + words.length };
  };

  addEventListener("keydown", (event) => {
    const field = event.target;
    const up = event.key === "ArrowUp";
    if (!(event.ctrlKey || event.metaKey) || !(up || event.key === "ArrowDown")) return;
    if (!field.matches?.('[id$="-prompt"] textarea, [id$="-negative"] textarea')) return;
    const changed = easel.weighed(field.value, field.selectionStart, field.selectionEnd, up);
    if (!changed) return;
    event.preventDefault();
    field.value = changed.text;
    field.setSelectionRange(changed.start, changed.end);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
