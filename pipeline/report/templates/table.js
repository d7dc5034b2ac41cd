"use strict";
// The table of scores: sort by a column, hide rows and columns, give what is shown as CSV.
(() => {
  const byId = (id) => document.getElementById(id);
  const table = byId("scores");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const title = (row) => row.cells[0].textContent.trim();
  const hiddenRows = new Set();
  let sorted = { column: -1, down: true };

  function element(name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function checkbox(text, checked, change) {
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.checked = checked;
    box.addEventListener("change", () => change(box.checked));
    label.append(box, " " + text);
    return { label, box };
  }

  function showColumn(index, shown) {
    heads[index].hidden = !shown;
    for (const row of rows) row.cells[index].hidden = !shown;
    boxes[index].box.checked = shown;
  }

  function showRows() {
    const words = byId("table-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = new Set([...byId("table-kinds").querySelectorAll("input:checked")].map((box) => box.value));
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = hiddenRows.has(row) || !kinds.has(row.dataset.kind) || !words.every((word) => text.includes(word));
    }
    byId("table-shown").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  }

  function compare(one, other) {
    const [a, b] = [one, other].map((row) => row.cells[sorted.column]);
    const [x, y] = [a, b].map((cell) => (cell.dataset.value === undefined ? NaN : Number(cell.dataset.value)));
    if (!Number.isNaN(x) || !Number.isNaN(y)) {
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1; // what is not run comes last
      return sorted.down ? y - x : x - y;
    }
    return a.textContent.localeCompare(b.textContent, "en", { numeric: true }) * (sorted.down ? -1 : 1);
  }

  // First the better end, then the other, then the table's own order.
  function sort(index) {
    const down = heads[index].dataset.group === "metric" || heads[index].dataset.group === "paper";
    if (sorted.column !== index) sorted = { column: index, down };
    else if (sorted.down === down) sorted = { column: index, down: !down };
    else sorted = { column: -1, down: true };
    heads.forEach((head, place) => {
      if (place === sorted.column) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    table.classList.toggle("sorted", sorted.column >= 0);
    body.append(...(sorted.column < 0 ? rows : [...rows].sort(compare)));
  }

  function cellText(cell) {
    const below = cell.querySelector(".interval");
    return below ? `${cell.firstChild.textContent} ${below.textContent}` : cell.textContent.trim();
  }

  function asCsv() {
    const quoted = (text) => {
      const safe = /^[=+\-@\t\r]/.test(text) ? "'" + text : text; // a spreadsheet takes it for a formula
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const shown = heads.map((head, index) => index).filter((index) => !heads[index].hidden && heads[index].dataset.group !== "files");
    const lines = [...body.rows].filter((row) => !row.hidden);
    const header = shown.map((index) => heads[index].textContent.trim());
    return [header, ...lines.map((row) => shown.map((index) => cellText(row.cells[index])))]
      .map((cells) => cells.map(quoted).join(",") + "\n")
      .join("");
  }

  const boxes = heads.map((head, index) =>
    checkbox(head.textContent.trim(), !head.hidden, (shown) => showColumn(index, shown)));
  byId("table-columns").append(...boxes.slice(1).map((each) => each.label));
  byId("table-rows").append(...rows.map((row) => checkbox(title(row), true, (shown) => {
    if (shown) hiddenRows.delete(row);
    else hiddenRows.add(row);
    showRows();
  }).label));
  const main = new Set(heads.filter((head) => !head.hidden));
  byId("table-metric").addEventListener("change", (event) => {
    const chosen = event.target.value;
    heads.forEach((head, index) => {
      if (head.dataset.group === "paper") {
        const metric = head.dataset.key.replace("paper_", "");
        showColumn(index, chosen === metric || (chosen === "main" && main.has(head)));
      }
      if (head.dataset.group === "metric") {
        showColumn(index, chosen === "all" || chosen === head.dataset.key || (chosen === "main" && main.has(head)));
      }
    });
  });
  heads.forEach((head, index) => {
    if (head.dataset.group === "files") return;
    const button = element("button", head.textContent.trim());
    button.type = "button";
    button.addEventListener("click", () => sort(index));
    head.replaceChildren(button);
  });
  byId("table-search").addEventListener("input", showRows);
  byId("table-kinds").addEventListener("change", showRows);
  byId("table-csv").addEventListener("click", () => {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
    link.download = "scores.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  byId("table-controls").hidden = false;
  showRows();
})();
