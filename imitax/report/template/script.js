// Tables sort by a click on a head. Without this script they are in the order in which they were written.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => (up ? 1 : -1) * order(a.cells[column], b.cells[column]));
      table.tBodies[0].append(...rows);
    });
  });
}

function order(a, b) {
  const x = parseFloat(a.dataset.value), y = parseFloat(b.dataset.value);
  if (Number.isNaN(x) && Number.isNaN(y)) return a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
  return (Number.isNaN(x) ? -Infinity : x) - (Number.isNaN(y) ? -Infinity : y);
}
