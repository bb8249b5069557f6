"use strict";
(() => {
  // "0.41", "-1.2", "0.410 ± 0.006", "0.410 ± 0.006 (n=3)", "12.5 s", "3%"; not "2026-01-01"
  const numberLike = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=$|%| ±| \(| s$)/i;
  const missing = new Set(["", "-"]);
  const byText = new Intl.Collator("en", { numeric: true }).compare;

  // numbers start with the greatest, texts with the first; what is missing stays last
  function sortBy(header) {
    const table = header.closest("table");
    const rows = [...table.tBodies[0].rows];
    const texts = rows.map((row) => row.cells[header.cellIndex].textContent.trim());
    const numeric = texts.every((text) => missing.has(text) || numberLike.test(text));
    const before = header.getAttribute("aria-sort");
    const start = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = before === start ? other : start;
    const sign = order === "ascending" ? 1 : -1;
    const compare = numeric ? (a, b) => parseFloat(a) - parseFloat(b) : byText;
    const places = rows.map((_, place) => place);
    places.sort((a, b) => {
      const gaps = missing.has(texts[a]) - missing.has(texts[b]);
      if (gaps || missing.has(texts[a])) return gaps;
      return sign * compare(texts[a], texts[b]);
    });
    table.tBodies[0].append(...places.map((place) => rows[place]));
    for (const each of header.parentNode.cells) each.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", order);
  }

  // every word has to occur; a group of runs narrows further
  function filter(box) {
    const words = box.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const group = box.dataset.group;
    const rows = box.querySelector("tbody").rows;
    let shown = 0;
    for (const row of rows) {
      const keep =
        (group === undefined || row.dataset.group === group) &&
        words.every((word) => row.textContent.toLowerCase().includes(word));
      row.hidden = !keep;
      shown += keep;
    }
    const count = shown === rows.length ? `${shown} lines` : `${shown} of ${rows.length} lines`;
    box.querySelector("output").textContent = count;
  }

  const runs = document.getElementById("all-runs")?.closest(".table");
  const everything = document.createElement("button");
  everything.type = "button";
  everything.textContent = "show all runs";
  function showGroup(group) {
    const tools = runs.querySelector(".tools");
    if (group === undefined) {
      delete runs.dataset.group;
      everything.remove();
    } else {
      runs.dataset.group = group;
      runs.querySelector("input").value = "";
      tools.append(everything);
    }
    filter(runs);
  }

  document.addEventListener("click", (event) => {
    const header = event.target.closest("thead th");
    if (header && event.target.closest("button")) sortBy(header);
    if (event.target === everything) showGroup(undefined);
    const link = event.target.closest("a[data-group]");
    if (link && runs?.querySelector(".tools")) showGroup(link.dataset.group);
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches(".tools input")) filter(event.target.closest(".table"));
  });
})();
