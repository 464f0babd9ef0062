/* SPDX-License-Identifier: MIT
 *
 * tests/page/page.mjs REPORT.html MODULES SHOTS: the report's page in headless Chromium, as its readers use it: with a
 * pointer, by keyboard alone, on a phone, in the dark, printed. Says "ok …" or "not ok …" for each; exits 1 if any failed.
 *
 * MODULES: where playwright-core and axe-core are installed. SHOTS: a folder for screenshots, to be looked at.
 */
import {createRequire} from "node:module";
import {mkdirSync, statSync} from "node:fs";
import {join, resolve} from "node:path";

const [report, modules, shots] = process.argv.slice(2).map(path => resolve(path));
const load = createRequire(join(modules, "node_modules", "x.js"));
const {chromium} = load("playwright-core");
const axe = load.resolve("axe-core/axe.min.js");
const url = "file://" + report, BYTES_MAX = 3 << 20, READY_MS = 1000;
let failed = 0;

function check(what, good, more = "") {
    console.log(`${good ? "ok" : "not ok"} - ${what}${good || !more ? "" : `: ${more}`}`);
    failed += !good;
}

mkdirSync(shots, {recursive: true});
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});

async function open(options = {}) {
    const context = await browser.newContext({viewport: {width: 1200, height: 900}, ...options});
    const page = await context.newPage(), errors = [], asked = [];

    page.on("console", m => m.type() === "error" && errors.push(m.text()));
    page.on("pageerror", e => errors.push(String(e)));
    page.on("request", r => r.url() !== url && asked.push(r.url()));
    await page.goto(url);
    await page.waitForSelector("html[data-ready]", {timeout: 20000});
    return {context, page, errors, asked};
}
const stepLines = page => page.$$eval(".panel .step", all => all.map(e => e.textContent));
const shot = (page, name) => page.screenshot({path: join(shots, name + ".png")});

async function loads() {
    const {context, page, errors, asked} = await open();
    const ready = await page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);

    check("opens without errors", errors.length === 0, errors.join("; "));
    check("asks for nothing from outside", asked.length === 0, asked.join(" "));
    check("is below 3 MiB", statSync(report).size < BYTES_MAX, String(statSync(report).size));
    console.log(`# interactive after ${Math.round(ready)} ms (bound ${READY_MS}), ${statSync(report).size} bytes`);
    await shot(page, "wide");
    await page.screenshot({path: join(shots, "whole.png"), fullPage: true});
    await context.close();
}

/* From the first step to the last, in every architecture: each panel comes to its end, and all steps are seen. */
async function steps() {
    const {context, page, errors} = await open();
    const archs = await page.$$eval(".panel", all => all.map(e => e.getAttribute("aria-label")));
    const seen = new Map(archs.map(a => [a, new Set()]));

    check("several architectures side by side", archs.length >= 2, archs.join(" "));
    await page.selectOption("#workload", "write");
    await page.click("#first");
    for (let n = 0, last = ""; n < 5000; n++) {
        const lines = await stepLines(page), now = await page.textContent("#now");

        lines.forEach((line, i) => seen.get(archs[i]).add(line));
        if (now === last)
            break;
        last = now;
        await page.click("#forward");
    }
    const end = await stepLines(page);
    for (const [i, arch] of archs.entries()) {
        const count = await page.evaluate(index => document.querySelectorAll(".panel")[index].querySelectorAll("svg .block").length, i);

        check(`${arch}: write is stepped through to its end`, end[i] === "done", end[i]);
        check(`${arch}: each of its steps is shown`, seen.get(arch).size >= Math.min(count, 2) && count > 0, `${seen.get(arch).size} of ${count}`);
    }
    check("no errors while stepping", errors.length === 0, errors.join("; "));
    await page.click("#back");
    check("a step back leaves the end", (await stepLines(page)).some(line => line !== "done"));
    await context.close();
}

async function keyboard() {
    const {context, page} = await open();
    const now = () => page.textContent("#now");
    const start = await now();

    await page.keyboard.press("ArrowRight");
    const one = await now();
    await page.keyboard.press("ArrowLeft");
    const back = await now();
    await page.keyboard.press("End");
    const end = await now();
    check("keys step and go to the ends", one !== start && back === start && end !== one, [start, one, back, end].join(" | "));
    await page.keyboard.press("Home");
    await page.keyboard.press(" ");
    await page.waitForTimeout(900);
    check("space plays", (await now()) !== start && (await page.getAttribute("#play", "aria-pressed")) === "true");
    await page.keyboard.press(" ");
    check("and stops", (await page.getAttribute("#play", "aria-pressed")) === "false");
    await page.focus("#groups th button");
    await page.keyboard.press("Tab");
    check("a heading that has the focus says what it counts", await page.isVisible("#tip"));
    await shot(page, "tip");
    await context.close();
}

async function sorting() {
    const {context, page} = await open();
    const cells = () => page.evaluate(() => [...document.querySelectorAll("#groups table")[0].querySelectorAll("tbody tr")].map(r => r.children[1].textContent));
    const number = text => /M$/.test(text) ? parseFloat(text) * 1e6 : parseFloat(text.replaceAll(",", "")) || -1;

    await page.click("#groups table:first-of-type th:nth-child(2) button");
    const down = (await cells()).map(number);
    await page.click("#groups table:first-of-type th:nth-child(2) button");
    const up = (await cells()).map(number);
    check("a table is sorted by a click, and the other way by another",
          down.every((v, i) => !i || v <= down[i - 1]) && up.every((v, i) => !i || v >= up[i - 1]), down.join(" "));
    await context.close();
}

async function accessible(name, options, prepare = async () => {}) {
    const {context, page} = await open(options);

    await prepare(page);
    await page.addScriptTag({path: axe});
    const result = await page.evaluate(() => window.axe.run(document, {resultTypes: ["violations"]}));
    const bad = result.violations.filter(v => v.impact === "serious" || v.impact === "critical");
    check(`${name}: no serious violation of accessibility`, bad.length === 0,
          bad.map(v => `${v.id} (${v.nodes.length}): ${v.nodes[0].target} ${v.nodes[0].failureSummary}`).join("; ").replaceAll("\n", " "));
    await shot(page, name);
    await context.close();
}

async function phone() {
    const {context, page} = await open({viewport: {width: 390, height: 800}, deviceScaleFactor: 2});
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

    check("on a phone nothing but tables is wider than the screen", wide <= 0, `${wide} pixels`);
    await shot(page, "phone");
    await context.close();
}

async function paper() {
    const {context, page} = await open();

    await page.emulateMedia({media: "print"});
    check("paper has no controls", !(await page.isVisible(".controls")));
    await page.pdf({path: join(shots, "paper.pdf"), format: "A4"});
    await context.close();
}

await loads();
await steps();
await keyboard();
await sorting();
await accessible("light", {colorScheme: "light"});
await accessible("dark", {colorScheme: "dark"});
await accessible("small", {viewport: {width: 390, height: 800}}, page => page.click("details summary"));
await phone();
await paper();
await browser.close();
process.exit(failed ? 1 : 0);
