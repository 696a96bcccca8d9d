"use strict";
// Without this script the page shows the same; it only sorts and narrows.
const numberOrText = (cell) => {
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text.replace(/,/g, ""));
  return text !== "" && Number.isFinite(number) ? number : text.toLowerCase();
};
const byValue = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      for (const other of headers) other.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [numberOrText(row.cells[column]), row]);
      rows.sort(([a], [b]) => (ascending ? byValue(a, b) : byValue(b, a)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

const table = document.querySelector("#actions");
if (table) {
  const search = document.querySelector("#search");
  const playbook = document.querySelector("#playbook");
  const state = document.querySelector("#state");
  const told = document.querySelector("#told");
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      const fits = words.every((word) => texts[index].includes(word)) &&
        (!playbook.value || row.dataset.playbooks.split(" ").includes(playbook.value)) &&
        (!state.value || row.dataset.state === state.value);
      row.hidden = !fits;
      shown += fits;
    });
    told.textContent = `${shown} of ${rows.length} shown`;
  };
  for (const control of [search, playbook, state]) control.addEventListener("input", narrow);
  document.querySelector("#tools").hidden = false;
  narrow();
}
