// One row's page: its curves, train x inference matrix, cost, attestation and every answer.

import { address, bytes, count, estimate, facts, fill, h, labels, load, many, mark, meaning, modelLink, name, number, outside, query, ranks, remember, select, size, start, status, stepMark } from "./page.js";
import { curves, frontier, legend } from "./charts.js";
import { Table } from "./table.js";

start(async (place, board) => {
  const row = board.rows.find((each) => each.key === query().get("id"));
  if (!row) {
    fill(place, h("h1", {}, "No such row"), h("p", {}, "The board has no row of this name. ", h("a", { href: "./" }, "To the board")));
    return;
  }
  document.title = `${name(row)} · ${document.title}`;
  const model = await load(`models/${row.key}.json`);
  if (!row.measured) {
    fill(place, heading(row, model, board), ladder(board, row));
    return;
  }
  fill(place, heading(row, model, board), ladder(board, row), curveSection(row, model), matrixSection(model),
    await costSection(board, row, model), attestation(model), answersSection(model), provenance(row, model));
});

function heading(row, model, board) {
  return h("header", { class: "title" },
    h("h1", {}, h("bdi", {}, name(row))),
    h("p", { class: "marks" }, status(row.status), labels(row)),
    h("dl", { class: "figures" },
      ...place(row.standing),
      figure("Trained at", row.training, row.strategy), figure("Size", size(row.parameters)), row.scheme && figure("Scheme", row.scheme, `${row.filter}, ${row.mode}`)),
    facts([["Model", h("code", {}, row.model)], ["Revision", h("code", {}, row.revision)], ["Base", row.base ? h("code", {}, row.base) : "none: trained from scratch"],
      ["Training resolution known from", outside(model.training_evidence_url, model.training_evidence)],
      ["Trained on", model.trained_on.join(", ") || "nothing declared"], ["Base trained on", model.base_trained_on.join(", ")],
      ["Licence", row.licence], ["Submitted by", `${row.submitter}, ${model.submitted}`]]),
    runs(row, board),
    row.measured && h("p", {}, h("a", { href: address("compare.html", { m: row.key }) }, "Compare it with other rows")),
    claims(row));
}

// Score and rank of the row's recipe in the list where it stands first.
function place(standing) {
  if (!standing) return [];
  const rank = standing.rank
    ? figure("Rank", ranks(standing.rank), `of ${standing.of}`)
    : figure("Rank", "none", standing.why);
  return [figure("Score", estimate(standing.score), h("a", { href: address("./", { scope: standing.scope }) }, standing.label)), rank];
}

function runs(row, board) {
  const others = (row.standing?.runs || []).filter((key) => key !== row.key);
  if (!others.length) return null;
  return h("p", {}, `One of ${others.length + 1} runs of one recipe: score and rank are of all of them. The others: `,
    others.map((key, i) => [i ? ", " : "", modelLink(board.rows.find((each) => each.key === key))]), ".");
}

// What the submitter states; the attestation table has it beside what was measured.
function claims(row) {
  if (!row.claims.length) return null;
  return h("details", { open: !row.measured }, h("summary", {}, many(row.claims.length, "claimed score")), h("ul", {}, row.claims.map(([task, scheme, r, accuracy, source]) =>
    h("li", {}, h("code", {}, task), ` at ${r}, ${scheme}: ${number(accuracy)}`, source && `, ${source}`))));
}

function figure(term, value, note = null) {
  return h("div", {}, h("dt", {}, term), h("dd", {}, value, note && h("small", {}, note)));
}

function ladder(board, row) {
  const reached = board.statuses.indexOf(row.status);
  return h("ol", { class: "ladder", "aria-label": "How far this row is checked" }, board.statuses.map((each, i) =>
    h("li", { class: i <= reached ? "reached" : null, "aria-current": i === reached ? "step" : null }, h("strong", {}, each), h("span", {}, meaning(each)))));
}

function section(id, title, ...content) {
  return h("section", { id, "aria-labelledby": `${id}-heading` }, h("h2", { id: `${id}-heading` }, title), content);
}

function curveSection(row, model) {
  const parts = model.curves.map((curve) => h("article", { class: "card" },
    h("h3", {}, h("a", { href: `dataset.html?id=${encodeURIComponent(curve.dataset)}` }, curve.title), " ", h("small", {}, `${curve.modality}, ${curve.n} samples${curve.form === "open" ? ", open answers: not ranked" : ""}`)),
    h("p", {}, h("strong", {}, curve.said)),
    h("p", { class: "marks" }, curve.contaminated && mark("trained on it", curve.contaminated, "unsure"), curve.withheld && mark(`figures withheld: ${curve.withheld}`, "Figures over the whole curve", "bad")),
    curves([{ name: name(row), trained: curve.trained, cells: curve.cells }], { resolutions: curve.cells.map((cell) => cell.r), chance: curve.chance }),
    h("dl", { class: "figures small" }, figure("Score", estimate(curve.score), "over the floor"), figure("Accuracy", estimate(curve.area)), figure("Drop from best", estimate(curve.drop)), figure("Drop from training", estimate(curve.worst)), figure("Retention", estimate(curve.retention, 2)),
      figure("Enough", curve.choice === null ? "not shown" : `r = ${curve.choice}`, curve.robust ? "no resolution loses more than 2 points" : curve.choice_why)),
    h("p", { class: "quiet" }, `Floor: ${curve.floor}.`)));
  const blind = model.curves.some((curve) => curve.cells.some((cell) => cell.blind));
  return section("curves", "Accuracy over resolutions", legend([name(row)], { blind, chance: model.curves.some((curve) => curve.chance !== null) }),
    !blind && h("p", { class: "quiet" }, "No blind run of this model is at hand: what it scores without the image is not known."),
    h("div", { class: "cards" }, parts));
}

function matrixSection(model) {
  if (!model.matrices.length) return null;
  const tables = model.matrices.map((matrix) => new Table({
    caption: matrix.title, shown: true, rows: matrix.rows, sort: null,
    columns: [
      { id: "model", head: "Trained at", names: true, sortable: false, value: (line) => line.training, cell: (line) => [line.training, h("small", {}, line.strategy, " · ", modelLink(line))] },
      ...matrix.resolutions.map((r, i) => ({ id: `r${i}`, head: `r = ${r}`, numeric: true, sortable: false, class: "heat-cell", value: (line) => line.cells[i]?.score?.[0], cell: (line) => heat(line.cells[i]) })),
    ],
  }).element);
  return section("matrix", "Training × inference resolution", h("p", {}, "Rows of the same setting and base and of its size (within 5 %), trained at other resolutions. A ring marks the training resolution."), tables);
}

function heat(cell) {
  if (!cell?.score) return h("span", { class: "quiet" }, "–");
  const level = Math.min(9, Math.floor(cell.score[0] * 10));
  return h("span", { class: `heat heat-${level}${cell.trained ? " trained" : ""}` }, estimate(cell.score), cell.status === "mismatched" ? mark("mismatched", "The encoder received another grid than asked", "bad") : cell.step && cell.step !== "attested" && stepMark(cell.step));
}

// The data set's list in which the row stands: that of its scheme and step.
function list(board, row, curve) {
  return board.datasets.find((each) => each.id === curve.dataset).lists.find(([each]) => each === row.list)[1];
}

async function costSection(board, row, model) {
  const usable = model.curves.filter((curve) => curve.cells.some((cell) => cell.tokens !== null));
  if (!usable.length) return section("cost", "Cost", h("p", {}, "Neither visual tokens nor throughput is known for this row."));
  const holder = h("div", { class: "pair" });
  const chosen = usable.find((curve) => curve.id === query().get("cost")) || usable[0];
  const show = async (id) => {
    const curve = usable.find((each) => each.id === id);
    const data = await load(list(board, row, curve));
    const points = data.rows.flatMap((line) => line.cells.filter((cell) => cell.score && cell.status !== "mismatched")
      .map((cell) => ({ ...cell, name: name(board.rows.find((each) => each.key === line.key)), mine: line.runs.includes(row.key) })));
    const charts = [["tokens", "visual tokens per image", true], ["speed", "samples per second", false]].map(([field, label, less]) => {
      const priced = points.filter((point) => point[field] > 0).map((point) => ({ ...point, cost: point[field] }));
      return priced.some((point) => point.mine)
        ? frontier(priced, { label, less, caption: `Accuracy against ${label}${field === "speed" ? ", each on its submitter's hardware" : ""}` })
        : h("p", { class: "quiet" }, `${label[0].toUpperCase()}${label.slice(1)}: not measured for each resolution of this row.`);
    });
    fill(holder, ...charts);
  };
  await show(chosen.id);
  return section("cost", "Cost frontier", h("p", {}, "This row in colour with its resolutions, every other row in grey; the dashed line joins what no row beats at that cost."),
    usable.length > 1 && select("Data set", usable.map((curve) => [curve.id, curve.title]), chosen.id, show), holder);
}

function attestation(model) {
  const rows = model.curves.flatMap((curve) => curve.cells.map((cell, i) => ({ ...cell, curve, i })));
  const has = (test) => rows.some(test);
  const columns = [
    { id: "dataset", head: "Data set", names: true, value: (line) => line.curve.title },
    { id: "r", head: "r", numeric: true, value: (line) => line.edge, cell: (line) => line.r },
    { id: "accuracy", head: "Accuracy", numeric: true, descending: true, value: (line) => line.score?.[0], cell: (line) => estimate(line.score) },
    has((line) => line.claimed !== null) && { id: "claimed", head: "Claimed", numeric: true, value: (line) => line.claimed, cell: (line) => number(line.claimed) },
    has((line) => line.repeat) && { id: "repeat", head: "Re-run", numeric: true, title: "Repeated samples with the same verdict, and their accuracy", value: (line) => line.repeat?.[1], cell: (line) => (line.repeat ? [`${line.repeat[1]} of ${line.repeat[0]}`, h("small", {}, ` accuracy ${number(line.repeat[2])}; within ${number(100 * line.repeat[3], 1)} points`)] : "–") },
    { id: "blind", head: "Blind", numeric: true, title: "Accuracy of the same model without the image", value: (line) => line.blind?.[0], cell: (line) => (line.blind ? [number(line.blind[0]), h("small", {}, ` ${line.blind[2]}`)] : "not run") },
    { id: "n", head: "n", numeric: true, value: (line) => line.n, cell: (line) => [String(line.n), (line.failed > 0 || line.missing > 0) && h("small", { class: "bad" }, ` ${line.failed} failed, ${line.missing} missing`)] },
    { id: "asked", head: "Grid asked", numeric: true, value: (line) => line.asked?.[0], cell: (line) => grid(line.asked) },
    { id: "grid", head: "Grid received", numeric: true, title: "The most frequent size of the tensor that entered the encoder, height × width", value: (line) => line.grid?.[0], cell: (line) => [grid(line.grid), line.grids > 1 && h("small", {}, ` one of ${line.grids === 8 ? "8 or more" : line.grids}`)] },
    { id: "tokens", head: "Tokens", numeric: true, value: (line) => line.tokens, cell: (line) => count(line.tokens) },
    { id: "speed", head: "Samples/s", numeric: true, value: (line) => line.speed, cell: (line) => count(line.speed) },
    { id: "status", head: "Attestation", value: (line) => line.status, cell: (line) => attested(line) },
    { id: "evidence", head: "Read from", value: (line) => line.evidence.join(", ") },
  ];
  const table = new Table({ caption: "What each cell asked for and what the encoder received", columns: columns.filter(Boolean), rows, sort: null });
  return section("attestation", "Attestation", h("p", {}, "What was asked for, and what entered the vision encoder, of every cell. Where a server answered nobody sees that: a rule predicts it, and at best the server's count of tokens agrees."), table.element);
}

function grid(sides) {
  return sides ? `${sides[0]} × ${sides[1]}` : "–";
}

const PROBED = "What a behavioural test before the run or after it found of images of that size: a lower bound, and no count";

function attested(cell) {
  const found = { incomplete: ["incomplete", "unsure"], mismatched: [`${cell.mismatched} mismatched`, "bad"] }[cell.status];
  const counts = ["counted", "predicted", "unattested"].filter((each) => cell[each] > 0).map((each) => `${cell[each]} ${each}`);
  return [found && mark(found[0], cell.status, found[1]), cell.step && cell.step !== "mismatched" && stepMark(cell.step), cell.probed && mark(cell.probed, PROBED, "unsure"), counts.length > 0 && h("small", {}, ` ${counts.join(", ")}`), cell.capped > 0 && h("small", {}, ` ${cell.capped} capped at the source`)];
}

function answersSection(model) {
  const usable = model.curves.filter((curve) => curve.answers);
  if (!usable.length) return section("answers", "Answers", h("p", {}, "The answers of this row are not published here."));
  const holder = h("div", { id: "answer-pages" });
  const asked = usable.find((curve) => curve.id === query().get("answers"));
  const show = (id, page = 0) => drawAnswers(holder, usable.find((curve) => curve.id === id), page);
  const open = h("button", { type: "button", class: "tool", onclick: () => show(asked?.id || usable[0].id) }, "Show the answers");
  fill(holder, open);
  if (asked) show(asked.id);
  return section("answers", "Answers, sample by sample", h("p", {}, "Samples whose verdict changes with the resolution come first."),
    select("Data set", usable.map((curve) => [curve.id, curve.title]), (asked || usable[0]).id, show), holder);
}

async function drawAnswers(holder, curve, page) {
  const { folder, pages, samples, flips, resolutions } = curve.answers;
  const data = await load(`answers/${folder}-${page}.json`);
  const columns = [
    { id: "sample", head: "Sample", names: true, value: (line) => line[0], cell: (line) => h("bdi", {}, line[0]) },
    { id: "target", head: "Target", value: (line) => line[1], cell: (line) => h("bdi", {}, line[1]) },
    ...resolutions.map((r, i) => ({ id: `r${i}`, head: `r = ${r}`, value: (line) => (line[2][i] ? verdict(line[2][i])[1] : null), cell: (line) => answer(line[2][i]) })),
  ];
  const table = new Table({ caption: `Answers on ${curve.title}`, columns, rows: data, sort: null });
  const turn = (step, text) => h("button", { type: "button", class: "tool", disabled: page + step < 0 || page + step >= pages, onclick: () => drawAnswers(holder, curve, page + step) }, text);
  fill(holder, 
    h("p", { class: "quiet" }, `${flips} of ${samples} samples change their verdict. Page ${page + 1} of ${pages}.`),
    table.element, h("div", { class: "tools" }, turn(-1, "Previous"), turn(1, "Next")));
  remember({ ...Object.fromEntries(query()), answers: curve.id });
}

// [verdict: 1 right, 0 wrong, null failed; text; grid]
function verdict(cell) {
  return cell[0] === 1 ? ["right", "✓"] : cell[0] === 0 ? ["wrong", "✗"] : ["failed", "failed"];
}

function answer(cell) {
  if (!cell) return "–";
  const [kind, sign] = verdict(cell);
  return h("span", { class: `answer ${kind}` }, h("span", { role: "img", "aria-label": kind }, sign), " ", h("bdi", {}, cell[1]), cell[2] && h("small", {}, ` ${grid(cell[2])}`));
}

function provenance(row, model) {
  return section("provenance", "Where the figures come from", model.curves.map((curve) => h("details", {},
    h("summary", {}, curve.title, " ", h("small", {}, curve.date)),
    facts([["Task", h("code", {}, curve.task)], ["Record", h("code", {}, curve.record)], ["SHA-256 of the record", h("code", {}, curve.record_sha256)],
      ["Hardware", curve.hardware || "not stated"], ["Peak memory", curve.peak_memory === null ? "not measured" : bytes(curve.peak_memory)],
      ["Samples per second, whole run", curve.speed === null ? "not measured" : count(curve.speed)], ["Resampled", `${curve.clusters} clusters`],
      ["Versions", curve.versions.map(([library, version]) => `${library} ${version}`).join(", ") || "not stated"]]))));
}
