// Build the page: `npm run build` writes ../src/diabolo/page/built/. `--out FOLDER` writes somewhere else.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const web = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = process.argv.indexOf("--out");
const out = at < 0 ? join(web, "..", "src", "diabolo", "page", "built") : process.argv[at + 1];

// The script is compressed, which makes pages smaller; these lines unpack and start it.
const START = `
const packed = Uint8Array.from(atob(document.getElementById("diabolo-script").textContent), (c) => c.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const script = new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
await import(URL.createObjectURL(script));
`;

// Of all scripts in the page only these lines run, by their hash, and what they unpack; WebAssembly and blob: also for
// onnxruntime-web. Requests go only to where the page is from.
const POLICY = [
  "default-src 'none'",
  `script-src 'sha256-${createHash("sha256").update(START).digest("base64")}' 'wasm-unsafe-eval' blob:`,
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "connect-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const page = await bundle("src/main.ts", "page");
const widget = await bundle("src/widget.ts", "widget");
const file = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Diabolo</title>
<style>${page.style}</style>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript: it computes with the model.</noscript>
<!--DIABOLO-->
<script type="text/plain" id="diabolo-script">${packed(page.script).toString("base64")}</script>
<script type="module">${START}</script>
</body>
</html>
`;

await mkdir(out, { recursive: true });
await writeFile(join(out, "page.html"), file);
await writeFile(join(out, "widget.js"), widget.script);
const runtime = join(web, "node_modules", "onnxruntime-web", "dist");
for (const [name, source] of [
  ["onnxruntime.js.gz", "ort.wasm.bundle.min.mjs"],
  ["onnxruntime.wasm.gz", "ort-wasm-simd-threaded.wasm"],
]) {
  await writeFile(join(out, name), packed(await readFile(join(runtime, source))));
}
await writeFile(join(out, "THIRD-PARTY.txt"), await licences([...page.packages, "onnxruntime-web"]));
console.log(`${out}: page.html ${file.length} bytes, ${gzipSync(file).length} compressed`);

/** Return the script, the style and the packages of a bundle that begins at a file. */
async function bundle(input, name) {
  const { output } = await build({
    root: web,
    configFile: join(web, "vite.config.ts"),
    mode: name,
    logLevel: "warn",
    build: {
      write: false,
      rollupOptions: { input, preserveEntrySignatures: "strict", output: { entryFileNames: `${name}.js` } },
    },
  });
  const script = output.find((each) => each.type === "chunk");
  const style = output.find((each) => each.fileName.endsWith(".css"));
  const inside = Object.keys(script.modules).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  return { script: script.code, style: String(style?.source ?? ""), packages: [...new Set(inside.filter(Boolean))] };
}

/** Return bytes compressed, without a time or a system in them. */
function packed(content) {
  const bytes = gzipSync(content, { level: 9 });
  bytes[9] = 255; // the operating system
  return bytes;
}

/** Return the licences of packages that are part of the built files. */
async function licences(packages) {
  const parts = ["The files in this folder contain the following packages, under these licences."];
  for (const name of [...new Set(packages)].sort()) {
    const folder = join(web, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    const text = file ? (await readFile(join(folder, file), "utf8")).trim() : "";
    parts.push(`${name} ${version} (${license})\n\n${text}`.trim());
  }
  return `${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
