// Tables that can be sorted and filtered. Without it, everything is there all the same.
(() => {
  "use strict";
  const collator = new Intl.Collator(undefined, { numeric: true });
  const spoken = document.createElement("p");
  spoken.className = "hidden-word";
  spoken.setAttribute("role", "status");
  document.body.append(spoken);

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.order ?? cell.textContent.trim();
    if (text === "" || text === "-") return null;
    return Number.isNaN(Number(text)) ? text : Number(text);
  };
  const compared = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));

  const sort = (table, heads, column) => {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what is unknown comes last, both ways
      return down ? compared(b, a) : compared(a, b);
    });
    body.append(...rows.map(([, row]) => row));
    spoken.textContent = `Sorted by ${heads[column].textContent}, ${down ? "descending" : "ascending"}`;
  };

  const filtered = (table, words, told) => {
    let left = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      left += row.hidden ? 0 : 1;
    }
    told.textContent = `${left} of ${table.tBodies[0].rows.length} rows`;
  };

  const addFilter = (table) => {
    const box = document.createElement("div");
    box.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    const told = document.createElement("span");
    input.type = "search";
    input.placeholder = "words in any column";
    label.append("Filter ", input);
    told.className = "muted";
    told.setAttribute("role", "status");
    box.append(label, told);
    input.setAttribute("aria-describedby", table.caption.id);
    input.addEventListener("input", () =>
      filtered(table, input.value.toLowerCase().split(/\s+/).filter(Boolean), told));
    table.parentElement.before(box);
  };

  for (const table of document.querySelectorAll("table[data-sort]")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, heads, column));
    });
    if (table.tBodies[0].rows.length > 8) addFilter(table);
  }

  // A link into what is folded away opens it.
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) target.closest("details")?.setAttribute("open", "");
  };
  addEventListener("hashchange", open);
  open();
})();
