// Charts as inline SVG: few kinds, drawn to the width there is, each with a title, a description and a table of the same
// numbers.

import { freshId, h, replace, s } from "./dom.js";
import { table } from "./parts.js";

const LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 22;

/** A figure that draws itself anew when its width changes. `draw(width)` gives the children of the SVG. */
function figure({ title, description, height, columns, rows, legend }, draw) {
  const ids = [freshId("title"), freshId("desc")];
  const named = [s("title", { id: ids[0] }, title), s("desc", { id: ids[1] }, description)];
  // Named before it is drawn, which waits for the layout.
  const svg = s("svg", { role: "img", "aria-labelledby": ids.join(" "), height }, named);
  const paint = (width) => {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    replace(svg, named, draw(width));
  };
  let last = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 0 && width !== last) paint((last = width));
  }).observe(svg);
  const numbers = h("details", { class: "table-of" }, h("summary", {}, "Show as a table"), table(title, columns, rows));
  return h("figure", { class: "chart" }, legend ?? null, svg, numbers);
}

/** Round numbers for an axis from 0 to at least `most`. */
function steps(most) {
  if (!(most > 0)) return [0, 1];
  const rough = most / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((size) => size >= rough);
  const found = [];
  for (let value = 0; value < most + step * 0.999; value += step) found.push(Number(value.toPrecision(10)));
  return found;
}

function grid(width, height, marks, y, show) {
  return marks.map((mark, at) => [
    s("line", { class: at === 0 ? "axis" : "rule", x1: LEFT, x2: width - RIGHT, y1: y(mark), y2: y(mark) }),
    s("text", { x: LEFT - 7, y: y(mark) + 4, "text-anchor": "end" }, show(mark)),
  ]);
}

function timeLabels(width, height, points, x, label) {
  const every = Math.max(1, Math.ceil(points.length / Math.max(2, Math.floor(width / 95))));
  return points.map((point, at) => (at % every === 0 ? s("text", { x: x(at), y: height - 5, "text-anchor": "middle" }, label(point)) : null));
}

function swatch(fill) {
  return h("span", { class: "swatch", "aria-hidden": "true" }, s("svg", { viewBox: "0 0 10 10" }, s("rect", { width: 10, height: 10, rx: 2, class: fill })));
}

/** A legend that tells the numbers of the column under the pointer, and totals otherwise. */
function readout(series, total) {
  const values = series.map(() => h("b", {}));
  const when = h("span", {});
  const element = h("div", { class: "legend" }, series.map((one, at) => h("span", {}, swatch(one.fill), one.name, " ", values[at])), when);
  const tell = (texts, moment) => {
    for (const [at, text] of texts.entries()) values[at].textContent = text;
    when.textContent = moment;
  };
  tell(total, "");
  return { element, tell, rest: () => tell(total, "") };
}

/** Counts over time, stacked. `series` are {name, fill, of}; `label` and `when` write a point's time short and whole. */
export function stacked({ title, points, series, label, when, show, total }) {
  const height = 210;
  const sums = points.map((point) => series.reduce((sum, one) => sum + one.of(point), 0));
  const marks = steps(Math.max(...sums));
  const top = marks.at(-1);
  const legend = readout(series, total ?? series.map((one) => show(points.reduce((sum, point) => sum + one.of(point), 0))));
  const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - value / top);
  return figure(
    {
      title, height, legend: legend.element,
      description: `Stacked columns over ${points.length} stretches of time; the highest is ${show(Math.max(...sums))}.`,
      columns: [["from", when], ...series.map((one) => [one.name, (point) => show(one.of(point)), "num"])], rows: points,
    },
    (width) => {
      const each = (width - LEFT - RIGHT) / points.length;
      const x = (at) => LEFT + each * (at + 0.5);
      const broad = Math.max(1, Math.min(34, each * 0.72));
      const columns = points.map((point, at) => {
        let below = 0;
        const stack = series.map((one) => {
          const value = one.of(point);
          if (!value) return null;
          const piece = s("rect", { class: one.fill, x: x(at) - broad / 2, width: broad, y: y(below + value), height: Math.max(0.75, y(below) - y(below + value) - (below > 0 ? 0.75 : 0)), rx: Math.min(2, broad / 4) });
          below += value;
          return piece;
        });
        const area = s("rect", { class: "column", x: LEFT + each * at, width: each, y: TOP, height: height - TOP - BOTTOM });
        area.addEventListener("pointerenter", () => legend.tell(series.map((one) => show(one.of(point))), when(point)));
        area.addEventListener("pointerleave", legend.rest);
        return [stack, area];
      });
      return [grid(width, height, marks, y, show), columns, timeLabels(width, height, points, x, label)];
    },
  );
}

/** Two running totals; the room between them is what was saved. */
export function gap({ title, points, upper, lower, label, when, show }) {
  const height = 210;
  const marks = steps(Math.max(...points.map(upper.of)));
  const top = marks.at(-1);
  const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - Math.max(0, value) / top);
  const series = [upper, lower, { name: "saved", fill: "f-wash", of: (point) => upper.of(point) - lower.of(point) }];
  const last = points.at(-1);
  const legend = readout(series, series.map((one) => show(one.of(last))));
  return figure(
    {
      title, height, legend: legend.element,
      description: `Running totals: ${upper.name} reaches ${show(upper.of(last))}, ${lower.name} ${show(lower.of(last))}.`,
      columns: [["until", when], ...series.map((one) => [one.name, (point) => show(one.of(point)), "num"])], rows: points,
    },
    (width) => {
      const each = (width - LEFT - RIGHT) / Math.max(1, points.length - 1);
      const x = (at) => LEFT + each * at;
      const line = (of) => points.map((point, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(of(point)).toFixed(1)}`).join("");
      const back = points.map((point, at) => `L${x(at).toFixed(1)} ${y(lower.of(point)).toFixed(1)}`).reverse().join("");
      const areas = points.map((point, at) => {
        const area = s("rect", { class: "column", x: Math.max(LEFT, x(at) - each / 2), width: each, y: TOP, height: height - TOP - BOTTOM });
        area.addEventListener("pointerenter", () => legend.tell(series.map((one) => show(one.of(point))), when(point)));
        area.addEventListener("pointerleave", legend.rest);
        return area;
      });
      return [
        grid(width, height, marks, y, show),
        s("path", { class: "f-wash", d: `${line(upper.of)}${back}Z` }),
        s("path", { class: `line ${upper.line}`, d: line(upper.of) }), s("path", { class: `line ${lower.line}`, d: line(lower.of) }),
        areas, timeLabels(width, height, points, (at) => Math.min(width - 18, Math.max(LEFT, x(at))), label),
      ];
    },
  );
}

const square = (width) => Math.min(width, 420);

/** What was said against what came true: points {x, y, n, low, high} in 0..1, the diagonal is honesty. */
export function reliability({ title, points, xName, yName, columns, rows }) {
  const height = 270;
  const most = Math.max(1, ...points.map((point) => point.n));
  return figure(
    { title, height, columns, rows, description: `${points.length} points of ${yName} against ${xName}; on the diagonal both are the same.` },
    (whole) => {
      const width = square(whole);
      const x = (value) => LEFT + (width - LEFT - RIGHT) * value;
      const y = (value) => TOP + (height - TOP - 36) * (1 - value);
      const marks = [0, 0.25, 0.5, 0.75, 1];
      return [
        marks.map((mark) => [
          s("line", { class: mark ? "rule" : "axis", x1: x(0), x2: x(1), y1: y(mark), y2: y(mark) }),
          s("text", { x: LEFT - 7, y: y(mark) + 4, "text-anchor": "end" }, mark),
          s("text", { x: x(mark), y: height - 20, "text-anchor": "middle" }, mark),
        ]),
        s("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
        points.map((point) => [
          point.low === undefined ? null : s("line", { class: "interval", x1: x(point.x), x2: x(point.x), y1: y(point.low), y2: y(point.high) }),
          s("circle", { class: "f-accent", cx: x(point.x), cy: y(point.y), r: 3 + 6 * Math.sqrt(point.n / most) }, s("title", {}, `${xName} ${point.x.toFixed(2)}, ${yName} ${point.y.toFixed(2)}, ${point.n} answers`)),
        ]),
        s("text", { x: x(0.5), y: height - 3, "text-anchor": "middle" }, `${xName} → (upwards: ${yName})`),
      ];
    },
  );
}

/** A curve y over x in 0..1, such as a calibration. `lines` are {name, line, points: [[x, y]]}. */
export function curves({ title, lines, xName, yName, from = 0, to = 1, columns, rows }) {
  const height = 250;
  return figure(
    { title, height, columns, rows, description: `${yName} over ${xName}.`, legend: lines.length > 1 ? h("div", { class: "legend" }, lines.map((one) => h("span", {}, swatch(one.line.replace("l-", "f-")), one.name))) : null },
    (whole) => {
      const width = square(whole);
      const x = (value) => LEFT + ((width - LEFT - RIGHT) * (value - from)) / (to - from);
      const y = (value) => TOP + (height - TOP - 36) * (1 - value);
      return [
        [0, 0.25, 0.5, 0.75, 1].map((mark) => [
          s("line", { class: mark ? "rule" : "axis", x1: x(from), x2: x(to), y1: y(mark), y2: y(mark) }),
          s("text", { x: LEFT - 7, y: y(mark) + 4, "text-anchor": "end" }, mark),
          s("text", { x: x(from + (to - from) * mark), y: height - 20, "text-anchor": "middle" }, Number((from + (to - from) * mark).toFixed(2))),
        ]),
        lines.map((one) => s("path", { class: `line ${one.line}`, d: one.points.map(([a, b], at) => `${at ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("") })),
        s("text", { x: x((from + to) / 2), y: height - 3, "text-anchor": "middle" }, `${xName} → (upwards: ${yName})`),
      ];
    },
  );
}

/** How many fall where: bins {low, high, n}. */
export function histogram({ title, bins, show, name, fill = "f-accent" }) {
  const height = 190;
  const marks = steps(Math.max(...bins.map((bin) => bin.n)));
  const y = (value) => TOP + (height - TOP - 36) * (1 - value / marks.at(-1));
  return figure(
    {
      title, height, description: `${bins.length} columns of ${name}.`,
      columns: [[name, (bin) => `${bin.low} to ${bin.high}`], ["requests", (bin) => show(bin.n), "num"]], rows: bins,
    },
    (width) => {
      const each = (width - LEFT - RIGHT) / bins.length;
      return [
        grid(width, height, marks, y, show),
        bins.map((bin, at) => s("rect", { class: fill, x: LEFT + each * at + 1.5, width: Math.max(1, each - 3), y: y(bin.n), height: Math.max(0, y(0) - y(bin.n)), rx: 2 }, s("title", {}, `${bin.low} to ${bin.high}: ${show(bin.n)}`))),
        bins.map((bin, at) => s("text", { x: LEFT + each * at, y: height - 20, "text-anchor": "middle" }, bin.low)),
        s("text", { x: LEFT + each * bins.length, y: height - 20, "text-anchor": "middle" }, bins.at(-1).high),
        s("text", { x: (LEFT + width - RIGHT) / 2, y: height - 3, "text-anchor": "middle" }, name),
      ];
    },
  );
}
