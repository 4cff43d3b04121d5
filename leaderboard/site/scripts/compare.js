// Up to four rows side by side, on the data sets that they share; the address names them.

import { estimate, fill, h, labels, load, modelLink, name, query, ranks, remember, select, size, start, status, stepMark } from "./page.js";
import { curves, legend } from "./charts.js";
import { Table } from "./table.js";

const MOST = 4;

start(async (place, board) => {
  const rows = new Map(board.rows.map((row) => [row.key, row]));
  const chosen = [...new Set(query().getAll("m"))].filter((key) => rows.get(key)?.measured).slice(0, MOST);
  const result = h("div", { id: "comparison" });
  const pickers = h("div", { class: "filters" });
  const draw = async () => {
    remember({ m: chosen });
    fill(pickers, ...Array.from({ length: Math.min(chosen.length + 1, MOST) }, (_, i) => picker(i)));
    fill(result, ...await comparison(chosen.map((key) => rows.get(key))));
  };
  const picker = (i) => {
    const options = [["", i < chosen.length ? "none" : "add a row"], ...board.rows.filter((row) => row.measured).filter((row) => row.key === chosen[i] || !chosen.includes(row.key)).map((row) => [row.key, name(row)])];
    return select(`Row ${i + 1}`, options, chosen[i] || "", (value) => {
      if (value) chosen[i] = value;
      else chosen.splice(i, 1);
      draw();
    });
  };
  await draw();
  fill(place, h("h1", {}, "Compare"), h("p", {}, "Up to four rows. Bands are 95 % intervals of each row alone: whether two rows differ on the same samples is a paired question, which ",
    h("code", {}, "resolution-eval compare A B"), " answers from their records."), pickers, result);
});

async function comparison(rows) {
  if (!rows.length) return [h("p", {}, "Choose rows here, or tick them on the board.")];
  const models = await Promise.all(rows.map((row) => load(`models/${row.key}.json`)));
  const datasets = [...new Map(models.flatMap((model) => model.curves.map((curve) => [curve.id, curve]))).values()];
  const all = datasets.filter((each) => models.every((model) => curveOf(model, each.id)));
  const blind = models.some((model) => model.curves.some((curve) => curve.cells.some((cell) => cell.blind)));
  const shown = all.length ? all : datasets;
  return [
    facing(rows),
    legend(rows.map(name), { blind, chance: shown.some((each) => each.chance !== null) }),
    all.length < datasets.length && h("p", { class: "quiet" }, all.length ? `${all.length} of ${datasets.length} data sets have a curve of every chosen row; only those are shown.` : "No data set has a curve of every chosen row; each is shown with those that it has."),
    h("div", { class: "cards" }, shown.map((each) => card(each, rows, models))),
  ].filter(Boolean);
}

function curveOf(model, id) {
  return model.curves.find((curve) => curve.id === id);
}

function facing(rows) {
  return new Table({
    caption: "The chosen rows", rows, sort: null,
    columns: [
      { id: "model", head: "Model", names: true, sortable: false, value: name, cell: (row) => [modelLink(row), h("span", { class: "marks" }, labels(row))] },
      { id: "rank", head: "Rank", numeric: true, sortable: false, value: (row) => row.standing?.rank?.[0], cell: (row) => (row.standing?.rank ? [ranks(row.standing.rank), h("small", {}, ` of ${row.standing.of}, ${row.standing.label}`)] : h("small", {}, row.standing?.why || "none")) },
      { id: "trained", head: "Trained at", sortable: false, value: (row) => row.training },
      { id: "scheme", head: "Scheme", sortable: false, value: (row) => row.scheme },
      { id: "step", head: "Resolution", sortable: false, value: (row) => row.step, cell: (row) => stepMark(row.step) },
      { id: "size", head: "Size", numeric: true, sortable: false, value: (row) => row.parameters, cell: (row) => size(row.parameters) },
      { id: "status", head: "Status", sortable: false, value: (row) => row.status, cell: (row) => status(row.status) },
    ],
  }).element;
}

function card(dataset, rows, models) {
  const found = models.map((model) => curveOf(model, dataset.id));
  const resolutions = [...new Map(found.filter(Boolean).flatMap((curve) => curve.cells.map((cell) => [cell.r, cell.edge]))).entries()].sort(byEdge).map(([r]) => r);
  const series = rows.map((row, i) => ({ name: name(row), trained: found[i]?.trained || [], cells: found[i]?.cells || [] }));
  const lines = rows.map((row, i) => ({ row, i, curve: found[i] })).filter((line) => line.curve);
  const table = new Table({
    caption: `Figures on ${dataset.title}`, rows: lines, sort: null,
    columns: [
      { id: "model", head: "Row", names: true, sortable: false, value: (line) => name(line.row), cell: (line) => [h("span", { class: `swatch swatch-${line.i + 1}` }), h("bdi", {}, name(line.row))] },
      { id: "score", head: "Score", numeric: true, sortable: false, value: (line) => line.curve.score?.[0], cell: (line) => estimate(line.curve.score) },
      { id: "area", head: "Accuracy", numeric: true, sortable: false, value: (line) => line.curve.area?.[0], cell: (line) => estimate(line.curve.area) },
      { id: "drop", head: "Drop from best", numeric: true, sortable: false, value: (line) => line.curve.drop?.[0], cell: (line) => estimate(line.curve.drop) },
      { id: "retention", head: "Retention", numeric: true, sortable: false, value: (line) => line.curve.retention?.[0], cell: (line) => estimate(line.curve.retention, 2) },
    ],
  });
  return h("article", { class: "card" }, h("h2", {}, h("a", { href: `dataset.html?id=${encodeURIComponent(dataset.dataset)}` }, dataset.title), " ", h("small", {}, dataset.form === "open" ? "open answers: not ranked" : dataset.modality)),
    curves(series, { resolutions, chance: dataset.chance }), table.element);
}

// Numbers ascending, native last.
function byEdge([one, a], [other, b]) {
  return (one === "native") - (other === "native") || a - b;
}
