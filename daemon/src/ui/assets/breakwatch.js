// Keeps the page live: an event from the daemon, or every ten seconds without one, fetches the overview anew.
"use strict";
(() => {
  const base = document.body.dataset.base;
  const main = document.getElementById("overview");
  const live = document.getElementById("live");
  let wanted = false, busy = false;

  const filter = () => {
    const box = document.getElementById("filter");
    if (!box) return;
    const text = decodeURIComponent(location.hash.slice(1)).toLowerCase();
    if (box.value.toLowerCase() !== text) box.value = text;
    for (const row of document.querySelectorAll("tbody tr")) {
      row.hidden = text !== "" && !row.dataset.text.toLowerCase().includes(text);
    }
  };

  const times = () => {
    for (const time of document.querySelectorAll("time")) {
      time.title = time.dateTime;
      time.textContent = new Date(time.dateTime).toLocaleString();
    }
  };

  const refresh = async () => {
    if (busy) { wanted = true; return; }
    busy = true;
    try {
      const answer = await fetch(base + "/ui/overview", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const typing = document.activeElement && document.activeElement.id === "filter";
      const place = typing ? document.activeElement.selectionStart : 0;
      main.innerHTML = await answer.text();
      filter(); times();
      if (typing) {
        const box = document.getElementById("filter");
        box.focus(); box.setSelectionRange(place, place);
      }
      live.textContent = "live";
    } catch (error) {
      live.textContent = "no answer from the daemon (" + error.message + ")";
    }
    busy = false;
    // At most one fetch a second, however fast events come.
    if (wanted) { wanted = false; setTimeout(refresh, 1000); }
  };

  document.addEventListener("input", (event) => {
    if (event.target.id === "filter") { history.replaceState(null, "", "#" + encodeURIComponent(event.target.value)); filter(); }
  });
  window.addEventListener("hashchange", filter);

  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  });

  new EventSource(base + "/ui/events").addEventListener("changed", refresh);
  setInterval(refresh, 10000);
  filter(); times(); refresh();
})();
