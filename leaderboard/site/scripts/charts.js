// Charts: Observable Plot draws them as SVG; each is described in words for who does not see it.

import { h, number, estimateText, sized, svg } from "./page.js";

export const COLOURS = ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)"];
const CLASS = "plot";

// Draws now, and again when the width changes.
function figure(draw, description, caption) {
  const canvas = h("div", { class: "chart", role: "img", "aria-label": description });
  let width = 0;
  const observer = new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now === width || now < 40) return;
    width = now;
    const drawn = draw(width);
    drawn.setAttribute("aria-hidden", "true");
    canvas.replaceChildren(drawn);
    canvas.dataset.drawn = "yes";
  });
  observer.observe(canvas);
  return h("figure", {}, canvas, caption && h("figcaption", {}, caption));
}

const sound = (cell) => cell.status !== "mismatched";

function drawable(series) {
  return series.flatMap((one, i) => one.cells
    .filter((cell) => cell.score)
    .map((cell) => ({
      name: one.name,
      colour: COLOURS[i % COLOURS.length],
      r: cell.r,
      value: cell.score[0],
      line: sound(cell) ? cell.score[0] : NaN,
      low: sound(cell) ? cell.score[1] : NaN,
      high: sound(cell) ? cell.score[2] : NaN,
      sound: sound(cell),
      trained: one.trained.includes(cell.r),
      title: tip(one, cell),
    })));
}

function tip(one, cell) {
  const lines = [
    one.name,
    `${number(cell.score[0])}  [${number(cell.score[1])}, ${number(cell.score[2])}] at ${sized(cell)}`,
    `${cell.scored} samples, ${cell.status}${cell.status === "incomplete" && cell.step ? `, ${cell.step}` : ""}`,
  ];
  if (cell.tokens !== null) lines.push(`${Math.round(cell.tokens)} visual tokens`);
  if (cell.blind) lines.push(`blind ${number(cell.blind[0])} (${cell.blind[2]})`);
  return lines.join("\n");
}

// Accuracy against resolution. series: [{name, trained, cells}], at most four.
export function curves(series, { resolutions, chance, height = 230, caption = null }) {
  const { Plot } = globalThis;
  const points = drawable(series);
  const blind = series.flatMap((one, i) => one.cells
    .filter((cell) => cell.blind)
    .map((cell) => ({ r: cell.r, value: cell.blind[0], name: one.name, colour: COLOURS[i % COLOURS.length] })));
  const native = series.flatMap((one) => one.cells).find((cell) => cell.r === "native" && cell.edge);
  const draw = (width) => Plot.plot({
    className: CLASS, width, height, marginLeft: 38, marginBottom: 38, marginTop: 14, marginRight: 14,
    x: { type: "point", domain: resolutions, label: "inference resolution r (px)", labelAnchor: "center", labelArrow: "none", tickSize: 3, tickFormat: (r) => (r === "native" && native ? sized(native) : r) },
    y: { domain: [0, 1], label: "accuracy", labelArrow: "none", ticks: 5, tickFormat: ".1f", tickSize: 0, grid: true },
    marks: [
      chance === null ? null : Plot.ruleY([chance], { stroke: "currentColor", strokeDasharray: "5 4", strokeOpacity: 0.75 }),
      chance === null ? null : Plot.text([chance], { y: (d) => d, text: () => `chance ${number(chance)}`, frameAnchor: "right", textAnchor: "end", dy: chance > 0.07 ? 8 : -7, fontSize: 10.5 }),
      Plot.areaY(points, { x: "r", y1: "low", y2: "high", fill: "colour", fillOpacity: 0.16, z: "name" }),
      Plot.lineY(blind, { x: "r", y: "value", stroke: "colour", strokeDasharray: "1 4", strokeLinecap: "round", strokeWidth: 2, z: "name" }),
      Plot.dot(blind, { x: "r", y: "value", stroke: "colour", r: 2.5, fill: "var(--panel)" }),
      Plot.ruleX(points, { x: "r", y1: "low", y2: "high", stroke: "colour", strokeOpacity: 0.55 }),
      Plot.lineY(points, { x: "r", y: "line", stroke: "colour", strokeWidth: 2.25, z: "name" }),
      Plot.dot(points.filter((d) => d.trained), { x: "r", y: "value", stroke: "colour", r: 8, strokeWidth: 1.75 }),
      Plot.dot(points.filter((d) => d.sound), { x: "r", y: "value", fill: "colour", r: 3.75 }),
      Plot.dot(points.filter((d) => !d.sound), { x: "r", y: "value", stroke: "colour", symbol: "times", r: 6, strokeWidth: 2 }),
      Plot.tip(points, Plot.pointer({ x: "r", y: "value", title: "title", fontSize: 12 })),
    ],
  });
  return figure(draw, words(series, chance), caption);
}

function words(series, chance) {
  const parts = series.map((one) => {
    const cells = one.cells.filter((cell) => cell.score);
    return `${one.name}: ${cells.map((cell) => `${number(cell.score[0])} at ${cell.r}${sound(cell) ? "" : " (mismatched)"}`).join(", ") || "no score"}`;
  });
  const level = chance === null ? "" : `; chance ${number(chance)}`;
  return `Accuracy against inference resolution. ${parts.join("; ")}${level}.`;
}

// Accuracy against a cost. points: [{name, r, cost, score, mine}]; `less` where a small cost is good.
export function frontier(points, { label, less, caption }) {
  const { Plot } = globalThis;
  const data = points.map((d) => ({ ...d, value: d.score[0], low: d.score[1], high: d.score[2],
    title: `${d.name}\n${number(d.score[0])} at ${d.r}\n${label}: ${d.cost >= 100 ? Math.round(d.cost) : d.cost.toPrecision(3)}` }));
  const mine = data.filter((d) => d.mine);
  const best = paretoSteps(data, less);
  const draw = (width) => Plot.plot({
    className: CLASS, width, height: 270, marginLeft: 38, marginBottom: 38, marginTop: 14, marginRight: 22,
    x: { type: "log", label, labelAnchor: "center", labelArrow: "none", nice: true, ticks: 4, tickFormat: "~s" },
    y: { domain: [0, 1], label: null, ticks: 5, tickFormat: ".1f", tickSize: 0, grid: true },
    marks: [
      Plot.line(best, { x: "cost", y: "value", curve: less ? "step-after" : "step-before", stroke: "currentColor", strokeOpacity: 0.55, strokeDasharray: "3 3" }),
      Plot.dot(data.filter((d) => !d.mine), { x: "cost", y: "value", fill: "currentColor", fillOpacity: 0.3, r: 3 }),
      Plot.ruleX(mine, { x: "cost", y1: "low", y2: "high", stroke: COLOURS[0], strokeOpacity: 0.55 }),
      Plot.line(mine, { x: "cost", y: "value", stroke: COLOURS[0], strokeOpacity: 0.5, sort: "edge" }),
      Plot.dot(mine, { x: "cost", y: "value", fill: COLOURS[0], r: 4.5 }),
      Plot.text(mine, { x: "cost", y: "value", text: "r", dy: -11, fontSize: 11, fill: "currentColor", stroke: "var(--panel)", strokeWidth: 3 }),
      Plot.tip(data, Plot.pointer({ x: "cost", y: "value", title: "title", fontSize: 12 })),
    ],
  });
  const described = mine.map((d) => `${number(d.value)} at ${d.r} for ${Math.round(d.cost * 10) / 10}`).join(", ");
  return figure(draw, `Accuracy against ${label}, of this model: ${described || "not measured"}.`, caption);
}

// Points that no other beats at their cost or a better one.
function paretoSteps(data, less) {
  const order = [...data].sort((a, b) => (less ? a.cost - b.cost : b.cost - a.cost) || b.value - a.value);
  const best = [];
  for (const point of order) if (!best.length || point.value > best.at(-1).value) best.push(point);
  return best;
}

// A score and its interval on the scale from 0 to 1, small enough for a table.
export function whisker(triple, chance = null) {
  if (!triple) return h("span", { class: "quiet" }, "–");
  const [value, low, high] = triple.map((each) => 2 + 92 * Math.min(Math.max(each, 0), 1));
  return svg("svg", { class: "whisker", viewBox: "0 0 96 16", width: 96, height: 16, role: "img", "aria-label": estimateText(triple) },
    svg("line", { x1: 2, x2: 94, y1: 8, y2: 8, class: "axis" }),
    chance !== null && svg("line", { x1: 2 + 92 * chance, x2: 2 + 92 * chance, y1: 3, y2: 13, class: "chance" }),
    svg("line", { x1: low, x2: Math.max(high, low + 1), y1: 8, y2: 8, class: "range" }),
    svg("circle", { cx: value, cy: 8, r: 3.5 }));
}

// The curve in a table's cell, with its axes: accuracy from 0 to 1 over the resolutions; those trained at are ringed.
export function spark(cells, resolutions, trained, chance) {
  const [left, right, top, bottom] = [22, 176, 8, 52];
  const step = (right - left - 16) / Math.max(resolutions.length - 1, 1);
  const x = (r) => left + 8 + step * resolutions.indexOf(r);
  const y = (value) => bottom - (bottom - top) * value;
  const drawn = cells.filter((cell) => cell.score && sound(cell));
  if (!drawn.length) return h("span", { class: "quiet" }, "–");
  const path = drawn.map((cell, i) => `${i ? "L" : "M"}${x(cell.r).toFixed(1)} ${y(cell.score[0]).toFixed(1)}`).join("");
  const every = Math.ceil(resolutions.length / 5);
  const text = `Accuracy: ${drawn.map((cell) => `${number(cell.score[0], 2)} at ${sized(cell)}`).join(", ")}`;
  return svg("svg", { class: "spark", viewBox: "0 0 180 68", width: 180, height: 68, role: "img", "aria-label": text },
    svg("title", {}, text),
    [0, 0.5, 1].map((value) => [svg("line", { x1: left, x2: right, y1: y(value), y2: y(value), class: "grid" }), svg("text", { x: left - 4, y: y(value) + 3, class: "end" }, String(value))]),
    resolutions.map((r, i) => (i % every && i + 1 < resolutions.length ? null : svg("text", { x: x(r), y: 64, class: "middle" }, r))),
    chance !== null && svg("line", { x1: left, x2: right, y1: y(chance), y2: y(chance), class: "chance" }),
    drawn.map((cell) => svg("line", { x1: x(cell.r), x2: x(cell.r), y1: y(cell.score[1]), y2: y(cell.score[2]), class: "range" })),
    svg("path", { d: path }),
    drawn.map((cell) => svg("circle", { cx: x(cell.r), cy: y(cell.score[0]), r: trained.includes(cell.r) ? 3.5 : 1.5, class: trained.includes(cell.r) ? "ring" : "dot" })));
}

export function legend(series, { blind, chance }) {
  return h("ul", { class: "legend" },
    series.map((text, i) => h("li", {}, key(i), h("bdi", {}, text))),
    h("li", {}, svg("svg", { viewBox: "0 0 18 12", width: 18, height: 12, "aria-hidden": "true" }, svg("circle", { cx: 9, cy: 6, r: 4.5, class: "ring" })), "trained at"),
    chance && h("li", {}, dash("5 4"), "chance"),
    blind && h("li", {}, dash("1 4"), "blind: the same model without the image"));
}

function key(i) {
  return svg("svg", { viewBox: "0 0 18 12", width: 18, height: 12, "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 18, y1: 6, y2: 6, stroke: COLOURS[i], "stroke-width": 2.5 }), svg("circle", { cx: 9, cy: 6, r: 3.5, fill: COLOURS[i] }));
}

function dash(pattern) {
  return svg("svg", { viewBox: "0 0 18 12", width: 18, height: 12, "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 18, y1: 6, y2: 6, stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": pattern, "stroke-linecap": "round" }));
}
