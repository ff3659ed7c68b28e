// What a window keeps of its pictures in this browser's database, so that they are there again after a reload; old ones
// go. of: whose they are, the canvas' where it is left out.
// A browser that keeps nothing, as a private window, does without.
(() => {
  const DAYS = 7;
  const key = (of) => {
    const own = easel.recall("window", "") || crypto.getRandomValues(new Uint32Array(2)).join("-");
    easel.keep("window", own);
    return of ? `${own} ${of}` : own;
  };
  const answered = (asked) => new Promise((done, failed) => {
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });

  async function pictures(mode) {
    const asked = indexedDB.open("easel-canvas", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("pictures");
    return (await answered(asked)).transaction("pictures", mode).objectStore("pictures");
  }

  async function tidy() {
    const shelf = await pictures("readwrite");
    const oldest = Date.now() - DAYS * 86400e3;
    for (const one of await answered(shelf.getAllKeys())) {
      if ((await answered(shelf.get(one))).at < oldest) shelf.delete(one);
    }
  }

  easel.shelf = {
    // Keep something, or forget it where there is nothing.
    async put(kept, of = "") {
      try {
        const shelf = await pictures("readwrite");
        kept ? shelf.put({ ...kept, at: Date.now() }, key(of)) : shelf.delete(key(of));
      } catch {
        return;
      }
    },
    // What this window kept, or null.
    async take(of = "") {
      try {
        const kept = await answered((await pictures("readonly")).get(key(of)));
        await tidy();
        return kept ?? null;
      } catch {
        return null;
      }
    },
  };
})();
