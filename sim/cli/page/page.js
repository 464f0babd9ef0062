/* SPDX-License-Identifier: MIT
 *
 * sim/cli/page/page.js: the report's tables, figures and step-through, from the results in #data. No library; nothing of the
 * results becomes markup: all text goes through textContent.
 *
 * Data: {compare: ringside.compare/1, terms: {counters, causes, groups}, steps: [what `trace --format steps` writes]}.
 */
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const compare = data.compare, terms = data.terms;

/* ---- building ---- */

function make(tag, attributes = {}, ...children) {
    const e = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    e.append(...children);
    return e;
}
function draw(tag, attributes = {}, ...children) {
    const e = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    e.append(...children);
    return e;
}
function figure(value, digits = 4) {
    if (value === undefined || value === null) return "n/a";
    if (Math.abs(value) >= 1e7) return (value / 1e6).toFixed(1) + " M";
    if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
    return String(+value.toPrecision(digits));
}
const plural = (n, word) => `${figure(n)} ${word}${n === 1 ? "" : "s"}`;

/* ---- what a term means ---- */

function tell(element, text) {
    if (!text) return;
    const show = () => {
        const box = element.getBoundingClientRect(), tip = $("tip");
        tip.textContent = text;
        tip.hidden = false;
        tip.style.left = Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 8)) + scrollX + "px";
        tip.style.top = box.bottom + scrollY + 6 + "px";
        element.setAttribute("aria-describedby", "tip");
    };
    const hide = () => { $("tip").hidden = true; element.removeAttribute("aria-describedby"); };
    element.addEventListener("mouseenter", show);
    element.addEventListener("focus", show);
    element.addEventListener("mouseleave", hide);
    element.addEventListener("blur", hide);
}
addEventListener("keydown", event => { if (event.key === "Escape") $("tip").hidden = true; });

/* ---- tables ---- */

/* columns: [{title, about}], the first one's cells are text; rows: arrays of text and numbers. */
function table(caption, columns, rows) {
    const body = make("tbody"), head = make("tr"), t = make("table", {}, make("caption", {}, caption), make("thead", {}, head), body);
    const fill = () => body.replaceChildren(...rows.map(row => make("tr", {}, ...row.map((cell, i) =>
        i ? make("td", {}, typeof cell === "number" || cell === undefined ? figure(cell) : cell) : make("th", {scope: "row"}, cell)))));
    const sort = (i, th) => {
        const down = th.getAttribute("aria-sort") !== "descending";
        for (const other of head.children) other.removeAttribute("aria-sort");
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        rows.sort((a, b) => (down ? -1 : 1) * (i ? (a[i] ?? -1) - (b[i] ?? -1) : a[0] < b[0] ? 1 : a[0] > b[0] ? -1 : 0));
        fill();
    };
    columns.forEach((column, i) => {
        const button = make("button", {type: "button"}, column.title), th = make("th", {scope: "col"}, button);
        button.addEventListener("click", () => sort(i, th));
        tell(button, column.about);
        head.append(th);
    });
    fill();
    return make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption}, t);
}

const labels = compare.archs.map(a => a.label);
const results = new Map();
compare.results.forEach(r => results.set(r.label + "\n" + r.workload, r));
const result = (label, workload) => results.get(label + "\n" + workload);
const perOp = (label, workload, counter) => result(label, workload)?.per_op?.[counter];

function group({title, counters, ratio}) {
    const columns = [{title: "workload"}];
    for (const counter of counters)
        labels.forEach((label, i) => {
            columns.push({title: counters.length > 1 ? `${counter.replaceAll("_", " ")}, ${label}` : label, about: terms.counters[counter]});
            if (ratio && i) columns.push({title: "ratio", about: `${label}'s cycles for one of ${labels[0]}'s`});
        });
    const rows = compare.workloads.map(workload => {
        const row = [workload];
        for (const counter of counters)
            labels.forEach((label, i) => {
                const value = perOp(label, workload, counter);
                row.push(value);
                const base = perOp(labels[0], workload, counter);
                if (ratio && i) row.push(value === undefined || !base ? undefined : +(value / base).toFixed(2));
            });
        return row;
    });
    return table(title, columns, rows);
}

/* ---- patterns, one for each series ---- */

const COLOURS = 9;
function pattern(i) {
    const id = "p" + i % 18, shape = ["", "M0,6L6,0", "M0,3H6", "M3,0V6", "M0,0L6,6", "M0,6L6,0M0,0L6,6", "M0,3H6M3,0V6", "M1,1h1v1h-1z", "M0,0H6"][i % 9];
    if (!$(id)) {
        const p = draw("pattern", {id, width: 6, height: 6, patternUnits: "userSpaceOnUse"},
                       draw("rect", {width: 6, height: 6, fill: `var(--c${i % COLOURS})`}));
        if (shape) p.append(draw("path", {d: shape, stroke: "var(--paper)", "stroke-width": 1.2, fill: "none"}));
        let defs = $("patterns");
        if (!defs) {
            defs = draw("defs", {id: "patterns"});
            document.body.append(draw("svg", {width: 0, height: 0, "aria-hidden": "true"}, defs));
        }
        defs.append(p);
    }
    return `url(#${id})`;
}
function legend(names, about = {}) {
    return make("ul", {class: "legend"}, ...names.map((name, i) => {
        const item = make("li", {}, draw("svg", {viewBox: "0 0 16 12", "aria-hidden": "true"}, draw("rect", {width: 16, height: 12, fill: pattern(i)})), " " + name);
        tell(item, about[name]);
        return item;
    }));
}

/* ---- figures ---- */

/* bars: [{label, parts: [{name, value}]}] */
function bars(title, list, names, unit) {
    const height = 20, width = 720, left = 150, most = Math.max(...list.map(b => b.parts.reduce((sum, p) => sum + p.value, 0))) || 1;
    const svg = draw("svg", {viewBox: `0 0 ${width} ${list.length * height + 4}`, role: "img", "aria-label": title});
    list.forEach((bar, row) => {
        let at = left;
        const total = bar.parts.reduce((sum, p) => sum + p.value, 0);
        svg.append(draw("text", {x: left - 6, y: row * height + 14, "text-anchor": "end"}, bar.label));
        for (const part of bar.parts) {
            const w = part.value / most * (width - left - 90);
            const rect = draw("rect", {x: at, y: row * height + 2, width: w, height: height - 5, fill: pattern(names.indexOf(part.name))});
            rect.append(draw("title", {}, `${part.name}: ${figure(part.value)} ${unit}`));
            svg.append(rect);
            at += w;
        }
        svg.append(draw("text", {x: at + 5, y: row * height + 14}, bar.missing ? "n/a" : figure(total)));
    });
    return svg;
}
function charts() {
    const causes = Object.keys(terms.causes), relative = compare.workloads.flatMap(workload => {
        const base = perOp(labels[0], workload, "cycles");
        return labels.slice(1).map((label, i) => {
            const value = perOp(label, workload, "cycles");
            return {label: i ? "" : workload, missing: value === undefined || !base, parts: value === undefined || !base ? [] : [{name: label, value: value / base}]};
        });
    });
    const holder = $("charts");
    holder.append(make("h3", {}, `Cycles for one of ${labels[0]}'s`), legend(labels.slice(1)), bars(`Cycles per operation relative to ${labels[0]}`, relative, labels.slice(1), "times"));
    const choose = make("select", {"aria-label": "Workload of the figure of causes"}, ...compare.workloads.map(w => make("option", {}, w)));
    const place = make("div");
    const show = () => place.replaceChildren(bars(`Causes of ${choose.value}'s cycles`, labels.map(label => {
        const r = result(label, choose.value), ops = r?.ops || 1;
        return {label, missing: !r?.causes, parts: causes.filter(c => r?.causes?.[c]).map(c => ({name: c, value: r.causes[c] / ops}))};
    }), causes, "cycles"));
    choose.addEventListener("change", show);
    holder.append(make("h3", {}, "Causes, in cycles of one operation of ", choose), legend(causes, terms.causes), place);
    show();
}

/* ---- the step-through ---- */

const KIND = {syscall: "SYSCALL", return: "return", exception: "exception", interrupt: "interrupt", vm_exit: "VM exit", cr3: "MOV CR3",
              flush: "TLB flush", copy: "copy", message: "message", switch: "context switch", run: "", call: "jump into the library", idle: "halted",
              fault: "injected fault", merged: ""};
const kinds = ["work", "transition", "copy", "tlb", "cache", "schedule", "emulation", "shadow", "device"];
let panels = [], cursor = 0, longest = 1, moments = [0], playing = null;

function describe(trace, step) {
    const name = i => trace.lanes[i]?.name ?? "?", from = step.from ?? step.lane;
    const way = step.to !== undefined && step.to !== from ? `${name(from)} → ${name(step.to)}` : name(step.lane);
    const what = [KIND[step.kind] ?? step.kind, step.name].filter(Boolean).join(" ");
    const where = step.functions.join(", ");
    const size = step.halted ? `${plural(step.halted, "cycle")} without work` : plural(step.cycles, "cycle");
    return `${way}: ${[what, step.bytes ? plural(step.bytes, "byte") : "", where ? `in ${where}` : "", size].filter(Boolean).join(", ")}${step.merged ? ` (${step.merged} steps)` : ""}`;
}

const ROW = 26, LEFT = 86;
function panel(trace) {
    const p = {trace, blocks: [], arrows: [], items: []};
    p.line = make("div", {class: "step"});
    p.holder = make("div");
    p.list = make("ol");
    const details = make("details", {}, make("summary", {}, `All ${trace.steps.length} steps`), p.list);
    details.addEventListener("toggle", () => { if (details.open && !p.items.length) fillList(p); });
    p.root = make("section", {class: "panel", "aria-label": trace.arch}, make("h3", {}, trace.arch, make("span", {}, `${plural(trace.total_cycles, "cycle")}, ${plural(trace.steps.length, "step")}`)), p.holder, p.line, details);
    return p;
}
function fillList(p) {
    p.items = p.trace.steps.map(step => make("li", {}, describe(p.trace, step)));
    p.list.replaceChildren(...p.items);
    mark(p);
}
function render(p) {
    const {trace} = p, width = Math.max(320, p.holder.clientWidth || 900), span = $("same-scale").checked ? longest : trace.total_cycles || 1;
    const x = cycles => LEFT + cycles / span * (width - LEFT - 8), height = trace.lanes.length * ROW + 18;
    const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${trace.arch}: ${trace.steps.length} steps in ${trace.lanes.length} domains`});
    trace.lanes.forEach((lane, i) => {
        const name = draw("text", {x: 2, y: i * ROW + 17}, lane.name.slice(0, 9), draw("tspan", {class: "faint"}, ` r${lane.ring}`));
        name.append(draw("title", {}, `${lane.name}, ring ${lane.ring}`));
        svg.append(draw("line", {class: "lane", x1: LEFT, x2: width - 8, y1: i * ROW + 13, y2: i * ROW + 13}), name);
    });
    p.blocks = [];
    p.arrows = [];
    for (const step of trace.steps) {
        const y = step.lane * ROW + 4, at = x(step.at), w = Math.max(step.cycles ? .6 : 0, x(step.at + step.cycles) - at);
        const block = draw("rect", {class: "block", x: at, y, width: w, height: ROW - 8, fill: pattern(kinds.indexOf(step.cause))});
        block.append(draw("title", {}, describe(trace, step)));
        svg.append(block);
        p.blocks.push(block);
        let arrow = null;
        if (step.to !== undefined && step.to !== (step.from ?? step.lane)) {
            const x2 = x(step.at + step.cycles), y1 = (step.from ?? step.lane) * ROW + 13, y2 = step.to * ROW + 13, head = y2 > y1 ? -4 : 4;
            arrow = draw("path", {class: "arrow", d: `M${x2},${y1}V${y2}m-3,${head}l3,${-head}l3,${head}`});
            svg.append(arrow);
        } else if (step.kind === "copy" || step.kind === "flush" || step.kind === "message") {
            svg.append(draw("circle", {class: "mark", cx: at, cy: y, r: 2.5}));
        }
        p.arrows.push(arrow);
    }
    const base = trace.lanes.length * ROW + 13;
    for (const part of [0, .25, .5, .75, 1])
        svg.append(draw("text", {x: x(span * part), y: base, class: "faint", "text-anchor": part === 1 ? "end" : part ? "middle" : "start"}, figure(Math.round(span * part))));
    p.cursor = draw("line", {class: "cursor", y1: 0, y2: height - 16});
    svg.append(p.cursor);
    p.x = x;
    p.holder.replaceChildren(svg);
    p.last = -1;
    mark(p);
}
/* The step of a panel at the cursor: the last that has begun. */
function stepAt(trace) {
    let low = 0, high = trace.steps.length;
    while (low < high) {
        const middle = low + high >> 1;
        if (trace.steps[middle].at <= cursor) low = middle + 1; else high = middle;
    }
    return low - 1;
}
function mark(p) {
    const n = stepAt(p.trace), over = cursor >= p.trace.total_cycles;
    if (p.cursor) for (const side of ["x1", "x2"]) p.cursor.setAttribute(side, p.x(Math.min(cursor, p.trace.total_cycles)));
    for (const list of [p.blocks, p.arrows]) { list[p.last]?.classList.remove("now"); if (!over) list[n]?.classList.add("now"); }
    p.items[p.last]?.removeAttribute("aria-current");
    if (!over) p.items[n]?.setAttribute("aria-current", "step");
    p.last = n;
    p.line.textContent = over ? "done" : n < 0 ? "" : `${n + 1}. ${describe(p.trace, p.trace.steps[n])}`;
}
function go(to) {
    cursor = Math.max(0, Math.min(longest, to));
    $("cursor").value = cursor;
    $("now").textContent = `${figure(cursor)} of ${figure(longest)} cycles`;
    panels.forEach(mark);
}
function forward() { go(moments.find(m => m > cursor) ?? longest); }
function back() { go(moments.findLast(m => m < cursor) ?? 0); }
function play(on) {
    clearInterval(playing);
    playing = on ? setInterval(() => cursor >= longest ? play(false) : forward(), 250) : null;
    if (on && cursor >= longest) go(0);
    $("play").setAttribute("aria-pressed", String(Boolean(on)));
    $("play").textContent = on ? "Pause" : "▶ Play";
}
function show(workload) {
    play(false);
    const traces = data.steps.filter(t => t.workload === workload);
    longest = Math.max(1, ...traces.map(t => t.total_cycles));
    moments = [...new Set(traces.flatMap(t => [...t.steps.map(s => s.at), t.total_cycles]))].sort((a, b) => a - b);
    panels = traces.map(panel);
    $("panels").replaceChildren(legend(kinds, terms.causes), ...panels.map(p => p.root));
    $("cursor").max = longest;
    panels.forEach(render);
    go(0);
}
function stepThrough() {
    const workloads = [...new Set(data.steps.map(t => t.workload))];
    if (!workloads.length) { $("calls").hidden = true; return; }
    $("workload").append(...workloads.map(w => make("option", {}, w)));
    $("workload").value = workloads.includes("write") ? "write" : workloads[0];
    $("workload").addEventListener("change", () => show($("workload").value));
    $("first").addEventListener("click", () => go(0));
    $("back").addEventListener("click", back);
    $("forward").addEventListener("click", forward);
    $("play").addEventListener("click", () => play(!playing));
    $("cursor").addEventListener("input", () => go(+$("cursor").value));
    $("same-scale").addEventListener("change", () => panels.forEach(render));
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; panels.forEach(render); } });
    addEventListener("keydown", event => {
        if (event.target.closest("input, select, button, summary, .scroll") || event.ctrlKey || event.metaKey || event.altKey) return;
        const action = {ArrowRight: forward, ArrowLeft: back, Home: () => go(0), End: () => go(longest), " ": () => play(!playing)}[event.key];
        if (action) { event.preventDefault(); action(); }
    });
    show($("workload").value);
}

/* ---- the page ---- */

$("about").textContent = `${labels.join(", ")} on ${compare.cpu.title} (${compare.cpu.name}, model version ${compare.cpu.version}), ${compare.workloads.length} workloads; the same programs and the same services everywhere.`;
$("foot").textContent = "Counted by Ringside's machine; cycles are the CPU model's.";
stepThrough();
charts();
$("groups").append(...terms.groups.map(group));
$("tcb").append(table("What runs in ring 0", [{title: "architecture"}, {title: "bytes", about: "Bytes of the executable sections of the image in ring 0."}, {title: "lines", about: "Distinct source lines that its line table gives an instruction."}],
                      compare.archs.map(a => [a.label, a.tcb_bytes, a.tcb_lines])));
$("why").append(make("ul", {}, ...(data.explanations ?? []).map(text => make("li", {}, text))));
document.documentElement.dataset.ready = "yes";
})();
