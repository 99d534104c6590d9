// @ts-check
// Keeps the page in step with the mesh: when the server says "changed", the page is fetched again
// and its <main> takes the place of the one that is shown. Without this script a reload does it.
"use strict";

(() => {
  const sign = document.getElementById("live");
  /** @type {EventSource | undefined} */
  let stream;
  /** @type {number | undefined} */
  let later;
  let busy = false;
  let again = false;

  /** @param {string} state @param {string} text */
  function say(state, text) {
    if (sign && sign.dataset.state !== state) {
      sign.dataset.state = state;
      sign.textContent = text;
    }
  }

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        const answer = await fetch(location.pathname, { cache: "no-store" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("main");
        if (fresh) swap(fresh, page.title);
      } while (again);
    } catch {
      say("lost", "no contact: shown as last seen");
    } finally {
      busy = false;
    }
  }

  /** @param {HTMLElement} fresh @param {string} title */
  function swap(fresh, title) {
    const old = document.querySelector("main");
    if (!old) return;
    if (old.innerHTML === fresh.innerHTML) {
      old.dataset.stamp = fresh.dataset.stamp;
      return;
    }
    // The keyboard's place is kept: links are found again by where they lead.
    const focus = document.activeElement;
    const place = focus && old.contains(focus) ? focus.getAttribute("href") : null;
    old.replaceWith(document.adoptNode(fresh));
    document.title = title;
    if (place) {
      const link = [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === place);
      link?.focus({ preventScroll: true });
    }
  }

  function listen() {
    clearTimeout(later);
    stream?.close();
    stream = new EventSource("/events");
    stream.onopen = () => say("live", "live");
    stream.onmessage = (event) => {
      const shown = document.querySelector("main")?.dataset.stamp;
      if (event.lastEventId !== shown) refresh();
    };
    stream.onerror = () => {
      say("lost", "no contact: shown as last seen");
      // Refused for good (too many streams): the browser does not try again by itself.
      if (stream?.readyState === EventSource.CLOSED) later = setTimeout(listen, 5000);
    };
  }

  // A browser has few connections for one server: pages that nobody looks at hold none.
  function follow() {
    if (document.visibilityState === "visible") {
      listen();
    } else {
      clearTimeout(later);
      stream?.close();
    }
  }

  document.addEventListener("visibilitychange", follow);
  follow();
})();
