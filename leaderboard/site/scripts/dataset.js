// Data sets: all of them, or one with every row's curve.

import { address, count, estimate, facts, fill, h, labels, load, many, modelLink, name, number, query, ranks, remember, select, shared, sizeColumns, start, status } from "./page.js";
import { curves, legend, spark } from "./charts.js";
import { Table } from "./table.js";

const MOST = 4;

start(async (place, board) => {
  const asked = query().get("id");
  if (!asked) {
    fill(place, h("h1", {}, "Data sets"), h("p", {}, "What the rows were scored on. Licence, citation and how to get each: see the project's page of data sets."), list(board).element);
    return;
  }
  const found = board.datasets.find((each) => each.id === asked);
  if (!found) {
    fill(place, h("h1", {}, "No such data set"), h("p", {}, "No row was scored on it. ", h("a", { href: "dataset.html" }, "All data sets")));
    return;
  }
  document.title = `${found.title} · ${document.title}`;
  const [scheme, file, scope] = found.lists.find(([each]) => each === query().get("scheme")) || found.lists[0];
  const data = await load(file);
  const rows = new Map(board.rows.map((row) => [row.key, row]));
  const lines = data.rows.map((line) => ({ ...line, row: rows.get(line.key) }));
  fill(place, 
    h("header", { class: "title" }, h("h1", {}, found.title),
      facts([["Modality", found.modality], ["Scheme", scheme], ["Samples", found.n.join(" to ")], ["Chance", number(found.chance)], ["Resolutions", `${found.resolutions.join(", ")} px${found.native ? `; native is about ${Math.round(found.native)} px` : ""}`],
        ["Licence", found.licence], ["Revision", found.revision && h("code", {}, found.revision)], ["Citation", found.citation]])),
    found.lists.length > 1 && select("Scheme", found.lists.map(([each]) => [each, each]), scheme, (value) => { location.search = `?${new URLSearchParams({ id: found.id, scheme: value })}`; }),
    chart(found, lines, scheme),
    h("section", { "aria-labelledby": "rows-heading" }, h("h2", { id: "rows-heading" }, "Every row"), common(lines), ranking(found, lines).element,
      h("p", {}, h("a", { href: address("./", { scope }) }, "With filters, on the board"))),
  );
});

function common(lines) {
  const said = shared(lines.map((line) => line.row));
  return said.length > 0 && h("p", { class: "quiet" }, `Of every row: ${said.join(", ")}.`);
}

function list(board) {
  return new Table({
    caption: "Data sets", rows: board.datasets, sort: { id: "title", desc: false },
    columns: [
      { id: "title", head: "Data set", names: true, value: (each) => each.title, cell: (each) => h("a", { href: address("dataset.html", { id: each.id }) }, each.title) },
      { id: "modality", head: "Modality", value: (each) => each.modality },
      { id: "n", head: "Samples", numeric: true, value: (each) => each.n.at(-1), cell: (each) => each.n.join(" to ") },
      { id: "chance", head: "Chance", numeric: true, value: (each) => each.chance, cell: (each) => number(each.chance) },
      { id: "resolutions", head: "Resolutions", sortable: false, value: (each) => each.resolutions.join(", ") },
      { id: "rows", head: "Rows", numeric: true, descending: true, value: (each) => each.rows },
    ],
  });
}

function chart(found, lines, scheme) {
  const holder = h("div", {});
  const closed = lines.filter((line) => line.cells.some((cell) => cell.score));
  const asked = query().getAll("m").filter((key) => closed.some((line) => line.key === key)).slice(0, MOST);
  let chosen = asked.length ? asked : closed.slice(0, MOST).map((line) => line.key);
  const draw = () => {
    const series = chosen.map((key) => closed.find((line) => line.key === key)).map((line) => ({ name: name({ ...line.row, title: line.title }), trained: line.trained, cells: line.cells }));
    fill(holder, legend(series.map((one) => one.name), { blind: series.some((one) => one.cells.some((cell) => cell.blind)), chance: found.chance !== null }),
      curves(series, { resolutions: found.resolutions, chance: found.chance, height: 320 }));
  };
  draw();
  const picker = h("fieldset", { class: "picker" }, h("legend", {}, `Curves shown (at most ${MOST})`), closed.map((line) => {
    const box = h("input", { type: "checkbox", onchange: () => {
      chosen = box.checked ? [...chosen, line.key].slice(-MOST) : chosen.filter((key) => key !== line.key);
      for (const [key, other] of boxes) other.checked = chosen.includes(key);
      remember({ id: found.id, scheme: found.lists.length > 1 ? scheme : "", m: chosen });
      draw();
    } });
    box.checked = chosen.includes(line.key);
    boxes.push([line.key, box]);
    return h("label", {}, box, " ", h("bdi", {}, name({ ...line.row, title: line.title })));
  }));
  return h("section", { "aria-labelledby": "curves-heading" }, h("h2", { id: "curves-heading" }, "Accuracy over resolutions"), holder,
    closed.length > 1 && h("details", { open: closed.length <= 12 }, h("summary", {}, `Choose curves (${many(closed.length, "row")})`), picker));
}

const boxes = [];

function ranking(found, lines) {
  const said = shared(lines.map((line) => line.row));
  return new Table({
    caption: `Rows on ${found.title}`, rows: lines, sort: { id: "rank", desc: false },
    columns: [
      { id: "rank", head: "Rank", numeric: true, class: "rank", value: (line) => line.place, cell: (line) => (line.rank ? ranks(line.rank) : h("small", {}, line.why)) },
      { id: "model", head: "Model", names: true, value: (line) => name({ ...line.row, title: line.title }), cell: (line) => [modelLink({ ...line.row, title: line.title }), line.runs.length > 1 && h("small", {}, `mean of ${line.runs.length} runs`), h("span", { class: "marks" }, labels(line.row, [found.id], said))] },
      { id: "status", head: "Status", value: (line) => line.status, cell: (line) => status(line.status) },
      { id: "score", head: "Score", numeric: true, descending: true, value: (line) => line.score?.[0], cell: (line) => (line.score ? estimate(line.score) : h("span", { class: "quiet" }, "withheld")) },
      { id: "curve", head: "Curve", sortable: false, value: () => null, cell: (line) => spark(line.cells, found.resolutions, line.trained, found.chance) },
      ...found.resolutions.map((r) => ({ id: `r-${r}`, head: `r = ${r}`, numeric: true, descending: true, value: (line) => cell(line, r)?.score?.[0], cell: (line) => (cell(line, r) ? estimate(cell(line, r).score) : "–") })),
      ...sizeColumns(lines, found.resolutions, ""),
      { id: "tokens", head: "Tokens", numeric: true, value: (line) => line.tokens, cell: (line) => count(line.tokens) },
    ],
  });
}

function cell(line, r) {
  return line.cells.find((each) => each.r === r);
}
