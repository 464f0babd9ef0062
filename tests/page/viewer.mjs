/* SPDX-License-Identifier: MIT
 *
 * tests/page/viewer.mjs MODULES SHOTS FILE…: traces in the viewer that people use for all three formats, speedscope, in headless
 * Chromium: each file is imported, and its profiles are named. Says "ok …" or "not ok …"; exits 1 if any failed.
 *
 * A file's name tells its format, as for a person who drops it there: x.folded.txt, x.json, callgrind.out.x.
 */
import {createRequire} from "node:module";
import {basename, join, resolve} from "node:path";
import {mkdirSync, readFileSync, writeFileSync} from "node:fs";

const [modules, shots, ...files] = process.argv.slice(2).map(path => resolve(path));
const load = createRequire(join(modules, "node_modules", "x.js"));
const {chromium} = load("playwright-core");
const viewer = join(modules, "node_modules", "speedscope", "dist", "release", "index.html");
let failed = 0;

mkdirSync(shots, {recursive: true});
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});

for (const file of files) {
    const name = basename(file), profile = join(shots, name + ".js"), page = await browser.newPage(), errors = [];

    page.on("pageerror", e => errors.push(String(e)));
    page.on("dialog", d => { errors.push(d.message()); d.dismiss(); });
    writeFileSync(profile, `speedscope.loadFileFromBase64(${JSON.stringify(name)}, "${readFileSync(file).toString("base64")}")`);
    await page.goto(`file://${viewer}#localProfilePath=${profile}`);
    const shown = await page.waitForFunction(() => /Left Heavy/.test(document.body.textContent) && /Export/.test(document.body.textContent),
                                             null, {timeout: 20000}).then(() => true, () => false);
    const good = shown && errors.length === 0;
    console.log(`${good ? "ok" : "not ok"} - speedscope imports ${name}${good ? "" : `: ${errors.join("; ")}`}`);
    failed += !good;
    await page.screenshot({path: join(shots, name + ".png")});
    await page.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
