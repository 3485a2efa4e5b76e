"use strict";
// Each column's head becomes a button that sorts by it: numbers from the largest, names from A, and then the other way.
const said = document.getElementById("sorted");

function sorted(rows, column, direction) {
  const cells = rows.map((row) => row.cells[column]);
  const numbers = cells.some((cell) => "value" in cell.dataset);
  const keys = cells.map((cell) => (numbers ? parseFloat(cell.dataset.value ?? "NaN") : cell.textContent.trim()));
  const order = [...rows.keys()].sort((one, other) => {
    const [first, second] = [keys[one], keys[other]];
    if (!numbers) return direction * first.localeCompare(second, "en", { numeric: true });
    if (isNaN(first) || isNaN(second)) return isNaN(first) - isNaN(second); // what has no number stands last, either way
    return direction * (first - second);
  });
  return order.map((place) => rows[place]);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const body = table.tBodies[0];
      const number = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : !number;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      body.append(...sorted([...body.rows], column, ascending ? 1 : -1));
      said.textContent = `Sorted by ${button.textContent}, ${ascending ? "ascending" : "descending"}`;
    });
  });
}
